/**
 * The package as applications import it: `await app.register(sallyport, { config: 'sallyport.yaml' })` puts a guard in
 * front of an application's own Fastify routes, and `loadPolicy` with `decide` ask a policy in tests.
 *
 * All that is not exported here is private. A plugin is a default export, which is what users of Fastify expect.
 */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import type { FastifyPluginAsync } from 'fastify'
import type { ConfigObject, Environment, Policy, SallyportOptions } from './api.ts'
import { askedPolicy } from './asked-policy.ts'
import type { Surroundings } from './guard-config.ts'
import { registered } from './registered.ts'

export { ConfigError } from '../errors.ts'
export type {
  Allowed,
  Answered,
  Claims,
  ConfigObject,
  Decision,
  DenialCode,
  Environment,
  HeaderFields,
  JsonValue,
  Policy,
  PolicyRoute,
  Principal,
  Refused,
  Reloaded,
  RequestFacts,
  Sallyport,
  SallyportOptions,
  SallyportStatus,
} from './api.ts'
export { decide } from './asked-policy.ts'

const sallyport: FastifyPluginAsync<SallyportOptions> = async (app, { config, env, watch = true }) =>
  registered(app, { ...surroundings(config, env), watch })

export default Object.assign(sallyport, {
  // Without this, Fastify would keep the guard to what is registered inside it, which is nothing.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'sallyport',
  [Symbol.for('plugin-meta')]: { name: 'sallyport', fastify: '5.x' },
})

/**
 * Loads a configuration, to be asked with `decide`. It waits until the keys of every provider are there, or could not
 * be fetched. Close it when it is not needed any more.
 *
 * @param config the path of a file, or what it would hold
 * @throws {ConfigError} the configuration is bad, with every problem
 */
export async function loadPolicy(
  config: string | ConfigObject,
  { env }: { readonly env?: Environment } = {},
): Promise<Policy> {
  return askedPolicy(surroundings(config, env))
}

function surroundings(config: string | ConfigObject, env: Environment = process.env): Surroundings {
  return { config, env, version: ownVersion(), nodeVersion: process.version }
}

/** The file is one folder up from the bundle, and two from here. */
function ownVersion(): string {
  const file = findPackageJSON('..', import.meta.url)
  const { version } = JSON.parse(file === undefined ? '{}' : readFileSync(file, 'utf8')) as {
    readonly version?: string
  }
  return version ?? 'unknown'
}
