/**
 * The package as applications import it: `await app.register(sallyport, { config: 'sallyport.yaml' })` puts a guard in
 * front of an application's own Fastify routes, and `loadPolicy` with `decide` ask a policy in tests.
 *
 * All that is not exported here is private. A plugin is a default export, which is what users of Fastify expect.
 */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import type { FastifyPluginAsync } from 'fastify'
import { ConfigError } from '../errors.ts'
import type { ConfigObject, Environment, Policy, SallyportOptions } from './api.ts'
import { askedPolicy, decide } from './asked-policy.ts'
import type * as Declared from './declared.ts'
import type { Surroundings } from './guard-config.ts'
import { registered } from './registered.ts'

export type * from './api.ts'
export { ConfigError, decide }

const sallyport: FastifyPluginAsync<SallyportOptions> = async (app, { config, env, watch = true }) =>
  registered(app, { ...surroundings(config, env), watch })

const plugin = Object.assign(sallyport, {
  // Without this, Fastify would keep the guard to what is registered inside it, which is nothing.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'sallyport',
  [Symbol.for('plugin-meta')]: { name: 'sallyport', fastify: '5.x' },
})
export default plugin

const declared = { ConfigError, decide, default: plugin, loadPolicy }
declared satisfies typeof Declared

/** What it promises stands in `declared.ts`. */
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
