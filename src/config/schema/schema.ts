/**
 * Says what a configuration file looks like, and what the `Config` that comes out of it looks like.
 *
 * Every key has a description that says its rule and its default; the JSON Schema for editors is made from here.
 * `Config` has the key names of the file with defaults filled in and shorthand forms written out as blocks:
 * **every duration is in milliseconds, every size in bytes**, every file path is absolute.
 * Rules that span keys are in `cross-check.ts`, and what files must contain is in `check-files.ts`.
 */
import * as z from 'zod'
import { noProxyProblem } from '../../egress/no-proxy.ts'
import { isDelimiter } from '../../identity/value-encoding.ts'
import { hostPatternProblem } from '../../lib/host-names.ts'
import { proxyUrl, upstreamUrl } from './address.ts'
import { auditSchema } from './audit-schema.ts'
import { clientCertificateSchema } from './client-certificate-schema.ts'
import { consoleSchema } from './console-schema.ts'
import { corsSchema } from './cors-schema.ts'
import { decideSchema } from './decide-schema.ts'
import { dpopSchema } from './dpop-schema.ts'
import {
  claimReference,
  duration,
  filePath,
  flag,
  flagOr,
  id,
  judgedText,
  list,
  plainPath,
  readText,
  size,
  text,
} from './fields.ts'
import { headerNameProblem, reservedPatternProblem } from './header-names.ts'
import { includeSchema } from './include-schema.ts'
import { internalTokenSchema } from './internal-token-schema.ts'
import { listenSchema, plainListenSchema } from './listen-schema.ts'
import { markedAddress } from './local-paths.ts'
import { providerSchema } from './provider-schema.ts'
import { rateLimitSchema } from './rate-limit-schema.ts'
import { resourceSchema } from './resource-schema.ts'
import { revocationSchema } from './revocation-schema.ts'
import { credentialsSchema, routeSchema, streamsShape } from './route-schema.ts'
import { storeSchema } from './store-schema.ts'
import { tokenExchangeSchema } from './token-exchange-schema.ts'
import { tracesSchema } from './traces-schema.ts'

export type { ClaimRequirement } from '../../authorize/claims.ts'
export type { Address } from './address.ts'

type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T

/** A configuration has the keys of its file, with defaults filled in; see the head of this file. It is frozen. */
export type Config = DeepReadonly<z.output<typeof configSchema>>
export type ListenConfig = NonNullable<Config['listen']>
export type DecideConfig = NonNullable<Config['decide']>
/** Where a listener is, and who may connect to it if it is a Unix socket. */
export type Listener = Pick<ListenConfig, 'address' | 'mode'>
export type AdminConfig = NonNullable<Config['admin']>
export type ProviderConfig = Config['providers'][string]
export type KeysConfig = Extract<ProviderConfig, { readonly type: 'jwt' }>['keys']
export type DecryptionConfig = NonNullable<Extract<ProviderConfig, { readonly type: 'jwt' }>['decryption']>
export type UpstreamConfig = Config['upstreams'][string]
export type TokenExchangeConfig = NonNullable<UpstreamConfig['exchange']>
export type EgressConfig = NonNullable<Config['egress']>
export type IdentityConfig = Config['identity']
export type InternalTokenConfig = NonNullable<IdentityConfig['token']>
export type LimitsConfig = Config['limits']
export type PathsConfig = Config['paths']
export type StreamsConfig = Config['streams']
export type RouteConfig = Config['routes'][number]
export type StoreConfig = NonNullable<Config['store']>
export type ClientCertificateConfig = NonNullable<Config['clientCertificate']>
export type DpopConfig = NonNullable<Config['dpop']>
export type RevocationConfig = NonNullable<Config['revocation']>
export type ResourceConfig = Config['resources'][string]
export type RateLimitConfig = Config['rateLimits'][string]
export type IncludedConfig = NonNullable<Config['include']>[number]
export type TracesConfig = NonNullable<Config['traces']>
export type AuditConfig = NonNullable<Config['audit']>
export type ConsoleConfig = NonNullable<AdminConfig['console']>
export type RequireConfig = NonNullable<RouteConfig['require']>

const probePath = plainPath()

const appProbeBlock = z.strictObject({
  path: probePath.describe('Path of the service, without a query.'),
  upstream: id().optional().describe('The upstream that answers it. Default: the only one.'),
})

const appProbeSchema = z.union([
  probePath.transform((path): z.output<typeof appProbeBlock> => ({ path })),
  appProbeBlock,
])

const adminSchema = z
  .strictObject({
    listen: plainListenSchema,
    hosts: list(judgedText(hostPatternProblem))
      .default([])
      .describe('Names that may be asked for besides `localhost` and addresses: `sallyport`, `*.svc`. Default: none.'),
    appProbes: list(appProbeSchema)
      .default([])
      .describe('Health paths of a service on loopback: `GET /-/app/<path>` answers with its status. Default: none.'),
    console: consoleSchema.optional(),
  })
  .describe('Health, readiness, metrics and status. Left out: not served.')

const timeoutsSchema = z.strictObject({
  connect: duration().prefault('2s').describe('Longest time to connect. Default `2s`.'),
  headers: duration().prefault('30s').describe('Longest time until the answer starts. Default `30s`.'),
  idle: duration().prefault('60s').describe('Longest silence within an answer. Default `60s`.'),
})

const upstreamTlsSchema = z
  .strictObject({
    caFile: filePath().optional().describe('PEM certificates to trust, in place of the system’s.'),
    serverName: text().optional().describe('Name to ask for and to verify. Default: the host of the URL.'),
    certFile: filePath().optional().describe('PEM file with our client certificate; needs `keyFile`.'),
    keyFile: filePath().optional().describe('PEM file with our client key; needs `certFile`.'),
  })
  .describe('The certificate is always verified; this says how.')

const UPSTREAM_URL = '`http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`'
const upstreamAddress = markedAddress(readText(upstreamUrl))

/** What a service has that is given by its URL alone. */
const upstreamSettings = z.strictObject({
  timeouts: timeoutsSchema.prefault({}).describe('How long to wait for the upstream.'),
  connections: count({ min: 1, max: 1_000_000 })
    .default(1024)
    .describe('Most connections to it at a time; further requests wait for one, for `timeouts.connect`. Default 1024.'),
  keepAlive: duration({ min: '0s' })
    .prefault('4s')
    .describe('Longest time that a connection of HTTP/1.1 stays idle. `0s`: none is used again. Default `4s`.'),
  connectRetry: duration({ max: '5m' })
    .optional()
    .describe('How long a connection that is refused is tried again, while the service restarts. Default: not at all.'),
  headerBytes: size({ min: '1KiB', max: '1MiB' })
    .prefault('64KiB')
    .describe('Largest head of an answer; a larger one is 502. Default `64KiB`.'),
})

const upstreamBlock = z.strictObject({
  url: upstreamAddress.describe(UPSTREAM_URL),
  ...upstreamSettings.shape,
  tls: upstreamTlsSchema.optional(),
  exchange: tokenExchangeSchema.optional(),
})

export const upstreamSchema = z
  .union([
    upstreamAddress.transform((url): z.output<typeof upstreamBlock> => ({ url, ...upstreamSettings.parse({}) })),
    upstreamBlock,
  ])
  .describe(`The service behind the gateway: ${UPSTREAM_URL}, or a block.`)

const joinDelimiter = judgedText(delimiter =>
  isDelimiter(delimiter) ? undefined : 'must be printable ASCII other than letters, digits and `%`, like `,`',
)

const identityHeaderBlock = z.strictObject({
  claim: claimReference().describe('Claim name, or a JSON Pointer when it starts with `/`.'),
  join: joinDelimiter.optional().describe('Joins the members of a list; without it the list is sent as JSON.'),
})

const identityHeaderSchema = z.union([
  claimReference().transform((claim): z.output<typeof identityHeaderBlock> => ({ claim })),
  identityHeaderBlock,
])

const identitySchema = z
  .strictObject({
    headers: z
      .record(judgedText(headerNameProblem), identityHeaderSchema)
      .optional()
      .describe('Header name → claim. Replaces the default set.'),
    reserved: z
      .array(judgedText(reservedPatternProblem))
      .default([])
      .describe('Further names stripped from every incoming request; `*` at the end stands for the rest.'),
    forwardToken: flagOr('asBearer')
      .default(false)
      .describe('`true` passes `Authorization` on as it came, `asBearer` with scheme Bearer. Default `false`.'),
    maxBytes: size({ min: '256B', max: '64KiB' })
      .prefault('8KiB')
      .describe('Most the identity headers may take together; more is refused. Default `8KiB`.'),
    token: internalTokenSchema.optional(),
  })
  .describe('What the upstream is told about the caller.')

const limitsSchema = z
  .strictObject({
    // Microsoft Entra puts up to 200 groups into a token, which are 12 KiB.
    tokenBytes: size({ min: '256B', max: '64KiB' }).prefault('12KiB').describe('Longest token. Default `12KiB`.'),
    headerBytes: size({ min: '1KiB', max: '1MiB' })
      .prefault('24KiB')
      .describe('Most the request line and headers may take. Default `24KiB`, more than `tokenBytes`.'),
    headers: count({ min: 10, max: 1000 }).default(100).describe('Most header lines. Default 100.'),
    bodyBytes: size({ min: '0B' }).prefault('100MiB').describe('Largest request body. Default `100MiB`.'),
    headersTimeout: duration().prefault('10s').describe('Longest time for the headers to arrive. Default `10s`.'),
    bodyIdleTimeout: duration().prefault('60s').describe('Longest silence within a request body. Default `60s`.'),
    connections: count({ min: 1, max: 1_000_000 })
      .default(10_000)
      .describe('Most connections at a time. Default 10000.'),
    requests: count({ min: 1, max: 1_000_000 })
      .default(4096)
      .describe('Most requests under way at a time, over all connections. Default 4096.'),
  })
  .describe('What a stranger may send.')

const egressSchema = z
  .strictObject({
    proxy: readText(proxyUrl).describe('`http://host:port` or `https://host:port`. The proxy must take CONNECT.'),
    noProxy: list(judgedText(noProxyProblem))
      .default([])
      .describe(
        'Hosts, ends of hosts (`.svc`), IP addresses and CIDR ranges that are reached without it. Default: none.',
      ),
    caFile: filePath()
      .optional()
      .describe('PEM certificates to trust for an `https:` proxy, in place of the system’s.'),
    credentialsFile: filePath()
      .optional()
      .describe('File with `user:password` for the proxy; read anew for each connection.'),
  })
  .describe('The proxy for what the gateway itself fetches, such as key sets. Left out: it fetches directly.')

/** Holds what a file can set. Every one of these keys may be left to an included file. */
const sections = {
  listen: listenSchema.optional(),
  decide: decideSchema.optional(),
  admin: adminSchema.optional(),
  workers: count({ min: 1, max: 64 })
    .default(1)
    .describe('Processes that share the listener, for hosts with cores to spare. Default 1.'),
  providers: z.record(id(), providerSchema).default({}).describe('Where tokens come from, by id.'),
  upstreams: z.record(id(), upstreamSchema).default({}).describe('The services behind the gateway, by id.'),
  credentials: credentialsSchema
    .optional()
    .describe('Where a token may come from; exactly one of these may be filled. Default: `authorization`.'),
  egress: egressSchema.optional(),
  store: storeSchema.optional(),
  revocation: revocationSchema.optional(),
  dpop: dpopSchema.optional(),
  clientCertificate: clientCertificateSchema.optional(),
  cors: corsSchema.optional(),
  resources: z
    .record(id(), resourceSchema)
    .default({})
    .describe('Protected resources by id, which routes name. Default: none.'),
  identity: identitySchema.prefault({}),
  limits: limitsSchema.prefault({}),
  paths: z
    .strictObject({
      ignoreCase: flag()
        .default(false)
        .describe('`true`: ASCII letters match in either case, for services that ignore it. Default `false`.'),
    })
    .prefault({})
    .describe('How the paths of all routes are compared.'),
  tokenCache: z
    .strictObject({
      entries: count({ min: 1, max: 10_000_000 }).default(10_000).describe('Most verified tokens kept. Default 10000.'),
    })
    .prefault({})
    .describe('Verified tokens, so that each is verified once.'),
  drain: z
    .strictObject({
      timeout: duration()
        .prefault('30s')
        .describe('Longest time that requests and streams under way get to end, once asked to stop. Default `30s`.'),
    })
    .prefault({})
    .describe('How the gateway stops.'),
  streams: z
    .strictObject({
      onExpiry: streamsShape.onExpiry
        .default('close')
        .describe('`close`: end it. `keep`: let it go on. Default `close`.'),
      grace: streamsShape.grace.prefault('0s').describe('How long it may outlive its token. Default `0s`.'),
      idleTimeout: streamsShape.idleTimeout
        .prefault('1h')
        .describe('Longest time for which nothing passes through a tunnel. Default `1h`.'),
    })
    .prefault({})
    .describe('When a tunnel, an upload or an answer still on its way is ended before its time.'),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Default `info`.'),
      access: z
        .enum(['all', 'denied', 'off'])
        .default('all')
        .describe('Which requests are logged: `all`, only `denied` ones, or none (`off`). Default `all`.'),
      format: z
        .enum(['json', 'text'])
        .optional()
        .describe('`json`, or lines to be read by people (`text`). Default: `text` on a terminal, else `json`.'),
    })
    .prefault({})
    .describe('Lines on standard output.'),
  rateLimits: z
    .record(id(), rateLimitSchema)
    .default({})
    .describe('Limits by id, which routes name. A request that one of them refuses spends no other.'),
  traces: tracesSchema.optional(),
  audit: auditSchema.optional(),
  routes: z
    .array(routeSchema)
    .min(1, { error: 'must not be empty: without a route every request is refused' })
    .describe('The most specific route wins, whatever the order. A request that none matches is refused.'),
}

export const configSchema = z.strictObject({
  ...sections,
  include: includeSchema(Object.keys(sections) as ReadonlyArray<keyof typeof sections>),
})

function count({ min, max }: { readonly min: number; readonly max: number }) {
  return z.int().min(min).max(max)
}
