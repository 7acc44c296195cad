/**
 * Tells at the start, once, that the proxy which the environment names is not used.
 *
 * What decides whom the gateway trusts stands in its configuration, so a variable that a platform sets for everybody
 * does not move its fetches. Whoever relies on one would otherwise look for the reason for long.
 */
import type { Environment } from '../config/read/environment.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Log } from '../telemetry/log.ts'

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap(name => [name, name.toLowerCase()])

/** Logs names only, since the value of such a variable may hold a password. */
export function tellIgnoredProxy({ egress }: Config, env: Environment, log: Log): void {
  if (egress !== undefined) return
  const variables = VARIABLES.filter(name => Object.hasOwn(env, name) && env[name] !== '')
  if (variables.length === 0) return
  log.warn({ variables }, 'the proxy of the environment is not used; to fetch keys through it, set `egress.proxy`')
}
