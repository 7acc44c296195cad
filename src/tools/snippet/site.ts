/**
 * Says what the configuration of a proxy that asks us is made of: addresses, and names of headers by what becomes of
 * them. It comes from the compiled policy, and knows no proxy's syntax.
 */
import { basename } from 'node:path'
import { configHash } from '../../config/config-hash.ts'
import { hasSessions } from '../../config/schema/accepted.ts'
import { BARE_METADATA_PATH, metadataPath } from '../../config/schema/metadata-path.ts'
import type { Address, Config, DecideConfig } from '../../config/schema/schema.ts'
import { sessionPaths } from '../../config/schema/session-paths.ts'
import { SAID_BY_PROXIES } from '../../decision/asked-facts.ts'
import { isHopByHop } from '../../forward/hop-by-hop.ts'
import { foldedFieldName, isToken } from '../../lib/field-name.ts'
import type { Policy } from '../../policy.ts'
import { askable, writtenAddress } from '../admin/addresses.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface Site {
  /** Name of the file that it is made of, without its folder. */
  readonly source: string
  readonly hash: string
  /** Where the proxy listens. */
  readonly listen: HostPort
  readonly service: HostPort
  /** Where it asks. */
  readonly decide: Address
  /** Where the gateway answers itself; undefined where it does not. */
  readonly own: { readonly address: Address; readonly paths: readonly string[] } | undefined
  /** Names that a yes has, which replace those of the client. */
  readonly told: readonly string[]
  /** Reserved prefixes: `X-Auth-`. */
  readonly prefixes: readonly string[]
  /** Names that the service must not believe, and that no yes has. In lower case. */
  readonly untold: readonly string[]
  /**
   * Those of them that are taken away before the gateway is asked. What it reads itself, such as a proof, goes to it
   * first; but `X-Forwarded-For` and the like it reads as the proxy has set them, after this.
   */
  readonly clearedFirst: readonly string[]
  /** Names that a decision reads. In lower case. */
  readonly read: readonly string[]
  /** Those of them that a condition reads, which refuses what has them in another spelling. In lower case. */
  readonly judged: readonly string[]
  /** Lines of a no that are worth passing on to the client. */
  readonly refusing: readonly string[]
  /** Those of a yes, for the answer of the service. */
  readonly besides: readonly string[]
  readonly bodyBytes: number
  /** Most that the head of a request may take. */
  readonly headerBytes: number
  /** Most that the head of a yes takes. */
  readonly yesBytes: number
  /** Whether the service's own `Access-Control-*` lines are dropped, as the policy has others. */
  readonly answersPreflights: boolean
  readonly hasSessions: boolean
}

/** Some frameworks take the method from these. */
const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override']
/** Only who ends TLS knows the certificate of the client. */
const CERTIFICATES = ['client-cert', 'client-cert-chain', 'x-forwarded-client-cert']

export const CORS_LINES = [
  ...['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials', 'Access-Control-Allow-Methods'],
  ...['Access-Control-Allow-Headers', 'Access-Control-Expose-Headers', 'Access-Control-Max-Age'],
] as const

/** These belong to a refusal, or to the answer to a preflight. */
const NOT_BESIDES: ReadonlySet<string> = new Set([
  ...['WWW-Authenticate', 'Retry-After'],
  ...['Access-Control-Allow-Methods', 'Access-Control-Allow-Headers', 'Access-Control-Max-Age'],
])

/** What a yes has besides a token and who is calling: empty names, and lines for the client. */
const OTHER_BYTES = 16 * 1024

interface SiteOptions {
  readonly file: string
  readonly listen: HostPort
  readonly service: HostPort
}

/** @param decide of `config` @param policy compiled from `config` */
export function siteOf(
  config: Config,
  decide: DecideConfig,
  policy: Policy,
  { file, listen, service }: SiteOptions,
): Site {
  const { identity } = config
  const told = [...new Map([...policy.managedNames, 'Authorization'].map(name => [name.toLowerCase(), name])).values()]
  const folded = new Set(told.map(foldedFieldName))
  const proof = config.dpop === undefined ? [] : ['dpop']
  const untold = [...SAID_BY_PROXIES, ...METHOD_OVERRIDES, ...CERTIFICATES, ...proof].filter(name => !folded.has(name))
  const paths = [...new Set(ownPaths(config))]
  const answered = answeredLines(config, policy)
  const judged = [...new Set(readByConditions(config).map(name => name.toLowerCase()))]
  const places = policy.tokenPlaces?.headers ?? []
  const read = [...new Set([...READ, ...places, ...judged].map(name => name.toLowerCase()))]
  return {
    source: basename(file),
    hash: configHash(config),
    listen,
    service,
    decide: askable(decide.listen.address),
    own:
      config.listen === undefined || paths.length === 0
        ? undefined
        : { address: askable(config.listen.address), paths },
    // What ends at each hop reaches no service.
    told: told.filter(name => !isHopByHop(foldedFieldName(name))),
    prefixes: identity.reserved.filter(each => each.endsWith('*')).map(each => each.slice(0, -1)),
    untold,
    clearedFirst: untold.filter(name => !read.includes(name) || name.startsWith('x-')),
    read,
    judged,
    refusing: answered,
    besides: answered.filter(name => !NOT_BESIDES.has(name)),
    bodyBytes: config.limits.bodyBytes,
    headerBytes: config.limits.headerBytes,
    yesBytes: identity.maxBytes + config.limits.tokenBytes + OTHER_BYTES,
    answersPreflights: policy.answersPreflights,
    hasSessions: hasSessions(config),
  }
}

/** Read whatever the configuration says. */
const READ = [
  ...['authorization', 'cookie', 'dpop', 'origin', 'access-control-request-method', 'access-control-request-headers'],
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-request-id', 'traceparent', 'tracestate', 'accept', 'content-type'],
  ...['upgrade', 'connection', 'sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol'],
  ...['sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest', 'x-requested-with'],
]

/** Every name in an expression that reads headers: one too many does no harm. */
function readByConditions({ routes }: Config): readonly string[] {
  const expressions = textsIn(routes.map(({ require }) => require)).filter(text => text.includes('request.headers'))
  const names = expressions.flatMap(text => [
    ...[...text.matchAll(/(["'])(.+?)\1/g)].map(([, , literal = '']) => literal),
    ...[...text.matchAll(/request\.headers\.(\w+)/g)].map(([, name = '']) => name),
  ])
  return names.filter(isToken)
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

function answeredLines(config: Config, policy: Policy): readonly string[] {
  return [
    ...['WWW-Authenticate', 'Retry-After', 'X-Request-Id'],
    ...(config.dpop === undefined ? [] : ['DPoP-Nonce']),
    ...(hasSessions(config) ? ['Set-Cookie'] : []),
    ...(policy.answersPreflights ? [...CORS_LINES, 'Vary'] : []),
    ...(policy.routes.some(({ limits }) => limits !== undefined) ? ['RateLimit', 'RateLimit-Policy'] : []),
  ]
}

/** What the traffic listener answers itself. */
function ownPaths({ providers, resources, revocation, identity }: Config): readonly string[] {
  const metadata = Object.values(resources).map(metadataPath)
  const { backchannelLogout = [], signals = [] } = revocation ?? {}
  const keys = identity.token?.jwksPath
  return [
    ...Object.values(providers).flatMap(provider => (provider.type === 'session' ? sessionPaths(provider) : [])),
    ...(metadata.length === 0 ? [] : [BARE_METADATA_PATH, ...metadata]),
    ...[...backchannelLogout, ...signals].map(({ path }) => path),
    ...(keys === undefined ? [] : [keys]),
  ]
}

/** Where services mostly listen, for a file that names none. */
const USUAL_SERVICE: HostPort = { host: '127.0.0.1', port: 3000 }

/** @returns undefined where the file names several, or one that is not asked over plain HTTP/1.1 */
export function onlyService({ upstreams }: Config): HostPort | undefined {
  const [only, ...others] = Object.values(upstreams)
  if (only === undefined) return USUAL_SERVICE
  const { origin, socketPath, isHttp2 } = only.url
  const isPlain = socketPath === undefined && isHttp2 === undefined && others.length === 0
  const address = isPlain ? writtenAddress(origin) : undefined
  return address === undefined || 'socketPath' in address ? undefined : address
}
