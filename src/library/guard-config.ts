/**
 * Loads a configuration for a guard: says what it need not hold, what of it has no effect there, and what is refused
 * because it would protect nothing.
 *
 * The application listens, and answers by itself. So `listen` and `upstreams` may be left out, and where a file that a
 * gateway uses, too, has them, they have no effect but for `listen.trustedProxies` and `listen.tls.clientCertificate`.
 */
import { resolve } from 'node:path'
import type { ReadFile } from '../config/check/file-judges.ts'
import type { Finding } from '../config/check/findings.ts'
import { isBlock } from '../config/read/config-file.ts'
import type { ConfigUse } from '../config/read/load.ts'
import type { Draft } from '../config/schema/draft.ts'
import { keptHeaders } from '../forward/kept-headers.ts'
import { systemClock } from '../lib/clock.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { EngineOptions } from '../run/engine.ts'
import type { ConfigObject, Environment } from './api.ts'

/** What is given to the library from outside. */
export interface Surroundings {
  readonly config: string | ConfigObject
  readonly env: Environment
  readonly version: string
  readonly nodeVersion: string
}

/** @param log as for a gateway @param onIgnored told of the keys that have no effect, with each loading */
export function engineOptions(
  { config, env, version, nodeVersion }: Surroundings,
  log: EngineOptions['log'],
  onIgnored: (keys: readonly string[]) => void,
): EngineOptions {
  return {
    ...source(config),
    env,
    version,
    nodeVersion,
    clock: systemClock,
    log,
    use: guardUse(onIgnored),
    requestHeaders: keptHeaders,
  }
}

/** What problems call a configuration that is no file. Relative paths in it start at the working directory. */
const NAME_OF_OBJECT = 'sallyport.config'

function source(config: string | ConfigObject): { readonly file: string; readonly readFile?: ReadFile } {
  if (typeof config === 'string') return { file: config }
  if (typeof config !== 'object' || config === null)
    throw new TypeError(
      'sallyport: the option `config` must be the path of a file, or an object with what it would hold',
    )
  // JSON is YAML, too.
  const text = Buffer.from(JSON.stringify(config, undefined, 2))
  const own = resolve(NAME_OF_OBJECT)
  return { file: NAME_OF_OBJECT, readFile: path => (path === own ? text : readTrustedFile(path)) }
}

type Members = Readonly<Record<string, unknown>>

/** Nobody listens there, and nobody connects to it. */
const UNUSED = { listen: '127.0.0.1:0', upstream: 'http://127.0.0.1:9' }

/** Sections that have no effect: the application decides it, or has no such thing. */
const WITHOUT_EFFECT = ['admin', 'workers', 'drain', 'streams', 'decide'] as const
const LIMITS_WITHOUT_EFFECT = ['headersTimeout', 'connections', 'requests'] as const

function guardUse(onIgnored: (keys: readonly string[]) => void): ConfigUse {
  return {
    filledIn(value) {
      if (!isBlock(value)) return value
      onIgnored(ignoredKeys(value))
      // These would divide limits among processes, and keep a change of them from being put in force.
      const { workers: _workers, admin: _admin, decide: _decide, listen, log, ...others } = value
      return {
        ...others,
        listen: isBlock(listen) ? { ...listen, address: UNUSED.listen } : UNUSED.listen,
        upstreams: others.upstreams ?? { application: UNUSED.upstream },
        // The application has a log of its requests.
        log: log === undefined || isBlock(log) ? { access: 'denied', ...log } : log,
      }
    },
    findings: guardFindings,
  }
}

function ignoredKeys(value: Members): readonly string[] {
  const limits = isBlock(value.limits) ? value.limits : {}
  return [
    ...WITHOUT_EFFECT.filter(key => key in value),
    ...LIMITS_WITHOUT_EFFECT.filter(key => key in limits).map(key => `limits.${key}`),
  ]
}

function guardFindings({ routes, providers, upstreams, revocation }: Draft): readonly Finding[] {
  return [
    ...[...routes].flatMap(([index, { mcp }]): Finding[] =>
      mcp?.tools === undefined ? [] : [{ path: ['routes', index, 'mcp', 'tools'], at: 'key', message: NO_TOOLS }],
    ),
    ...[...providers].flatMap(([id, { type }]): Finding[] =>
      type === 'session' ? [{ path: ['providers', id, 'type'], message: NO_SESSIONS }] : [],
    ),
    ...[...upstreams].flatMap(([id, { exchange }]): Finding[] =>
      exchange === undefined ? [] : [{ path: ['upstreams', id, 'exchange'], at: 'key', message: NO_EXCHANGE }],
    ),
    ...(revocation?.api === undefined ? [] : [{ path: ['revocation', 'api'], at: 'key', message: NO_API } as const]),
  ]
}

const NO_TOOLS =
  'is not judged in front of an application’s own routes, whose bodies the guard does not read; put a gateway before it'
const NO_EXCHANGE =
  'has no effect in front of an application’s own routes, to which nothing is forwarded; put a gateway before it, or leave it out'
const NO_SESSIONS = 'is not there in front of an application’s own routes; put a gateway before it'
const NO_API =
  'is served by the admin listener, which an application’s guard does not have; use `store` or `file`, or leave it out'
