/**
 * Serves the operator, on a listener apart from the traffic: probes, metrics and status.
 *
 * It shows no secret, and it changes two things: `POST /-/drain` takes the gateway out of service for good, and
 * `/-/revocations`, which asks for a secret of its own, takes tokens back (`revocations.ts`). A
 * request with a foreign Origin, or with a Host that is a name other than localhost and those that the operator has
 * named, comes from a browser that was tricked (DNS rebinding) and is refused. Every browser sends a Host, so a probe
 * without one (HTTP/1.0) is answered.
 */
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ADMIN_STATUS, DENIALS } from '../errors.ts'
import { hostMatcher } from '../lib/host-names.ts'
import { APP_PROBE_PREFIX, type AppProbes } from './app-probes.ts'
import { type Listed, serveListing } from './listing.ts'
import { type AskPublishedKeys, PUBLISHED_KEYS_PATH, servePublishedKeys } from './published-keys.ts'
import {
  type AnswerRevocations,
  answerRevocations,
  REVOCATIONS_METHODS,
  REVOCATIONS_PATH,
  serveRevocations,
} from './revocations.ts'
import type { Status } from './status-answer.ts'

export interface AdminOptions {
  readonly status: () => Status | Promise<Status>
  /** Gives Prometheus' text format, a slice at a time, because it may be long. */
  readonly metricsText: () => AsyncIterable<string>
  readonly metricsContentType: string
  readonly appProbes: AppProbes
  /** Names, and patterns of names, that may be asked for besides localhost. */
  readonly hosts: readonly string[]
  /** Takes the gateway out of service, while the process goes on. */
  readonly drain: () => void
  readonly revocations: AnswerRevocations
  readonly publishedKeys: AskPublishedKeys
  /** The paths that there are only with this configuration, but for those of the console. */
  readonly listed?: (() => readonly Listed[]) | undefined
  /** Shows what was refused lately; undefined: nobody is shown that. */
  readonly console?: AdminConsole | undefined
}

/** What only some may look at of those who reach the listener, because it shows what strangers sent. */
export interface AdminConsole {
  /** Its paths, each with the methods that it takes, as `Allow` lists them. */
  readonly paths: ReadonlyMap<string, 'GET' | 'GET, HEAD'>
  readonly listed: readonly Listed[]
  maySee(request: FastifyRequest): boolean
  serve(app: FastifyInstance): void
}

/** So many that an operator finds one, and so few that they cannot use up the descriptors of the process. */
const MOST_CONNECTIONS = 64

const PATHS: ReadonlySet<string> = new Set(['/', '/livez', '/readyz', '/metrics', '/-/status', PUBLISHED_KEYS_PATH])
const ALWAYS_LISTED: readonly Listed[] = [
  ['/livez', 'whether the process runs'],
  ['/readyz', 'whether it can judge requests, and why not'],
  ['/metrics', 'for Prometheus'],
  ['/-/status', 'configuration, routes, providers and their keys, as JSON'],
  ['/-/drain', 'POST takes the gateway out of service'],
]
/** These tell a load balancer no more than whether to send requests. */
const PROBE_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz'])
const DRAIN_PATH = '/-/drain'
const REVOKING: ReadonlySet<string> = new Set(REVOCATIONS_METHODS)

export function admin(options: AdminOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: true,
    requestTimeout: 10_000,
    // A path that is no valid one ends here; the framework's own answer would repeat it.
    frameworkErrors: (_error, _request, reply) => answer(reply, ADMIN_STATUS.notFound),
  })

  app.server.maxConnections = MOST_CONNECTIONS
  const isNamed = hostMatcher(options.hosts)
  const revocations = { answer: options.revocations, status: options.status }

  // Every refusal comes from here, before the framework looks at a body or its type.
  app.addHook('onRequest', async (request, reply) => {
    const { method, url, headers } = request
    const { host, origin } = headers
    const path = pathOf(url)
    const isOwn = host === undefined ? PROBE_PATHS.has(path) : isOwnHost(host) || isNamed(host.replace(/:\d{1,5}$/, ''))
    if (!isOwn || !isOwnOrigin(origin, host)) return answer(reply, DENIALS.host_invalid.status)
    if (path === DRAIN_PATH) {
      if (method === 'POST') return undefined
      return answer(reply.header('allow', 'POST'), ADMIN_STATUS.methodNotAllowed)
    }
    if (path === REVOCATIONS_PATH)
      return REVOKING.has(method) ? undefined : answerRevocations(request, reply, revocations)
    const ofConsole = options.console?.paths.get(path)
    if (ofConsole !== undefined && options.console?.maySee(request) === false)
      return answer(reply, ADMIN_STATUS.forbidden)
    if (ofConsole === undefined && !PATHS.has(path) && !options.appProbes.has(path))
      return answer(reply, ADMIN_STATUS.notFound)
    const allowed = ofConsole ?? 'GET, HEAD'
    if (!allowed.split(', ').includes(method))
      return answer(reply.header('allow', allowed), ADMIN_STATUS.methodNotAllowed)
    return undefined
  })

  serveListing(app, () => [...(options.console?.listed ?? []), ...ALWAYS_LISTED, ...(options.listed?.() ?? [])])
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', async (_request, reply) => {
    const { ready, reasons } = await options.status()
    return reply.code(ready ? ADMIN_STATUS.ok : ADMIN_STATUS.notReady).send({ ready, reasons })
  })
  app.get('/metrics', (_request, reply) =>
    reply.type(options.metricsContentType).send(Readable.from(options.metricsText())),
  )
  app.get('/-/status', async (_request, reply) => reply.send(await options.status()))
  servePublishedKeys(app, options.publishedKeys)
  // Nothing looks at the body that a client sends along.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume()
    done(null)
  })
  serveRevocations(app, revocations)
  options.console?.serve(app)
  app.post(DRAIN_PATH, (_request, reply) => {
    options.drain()
    return reply.send({ draining: true })
  })
  app.get(`${APP_PROBE_PREFIX}/*`, async ({ url }, reply) =>
    reply.code(await options.appProbes.status(pathOf(url))).send(),
  )
  return app
}

type Refusal = (typeof ADMIN_STATUS)['notFound' | 'methodNotAllowed' | 'forbidden'] | typeof DENIALS.host_invalid.status

const NOT_FROM_HERE =
  'the console answers to this machine only: forward the port (kubectl port-forward POD 9090), ask in the pod, or list ' +
  'your address in admin.console.from'

const REFUSALS: Readonly<Record<Refusal, string>> = {
  [DENIALS.host_invalid.status]: DENIALS.host_invalid.title,
  [ADMIN_STATUS.forbidden]: NOT_FROM_HERE,
  [ADMIN_STATUS.notFound]: 'not found',
  [ADMIN_STATUS.methodNotAllowed]: 'method not allowed',
}

/** The texts are fixed, so that nothing of the request is repeated. */
function answer(reply: FastifyReply, status: Refusal): FastifyReply {
  return reply.code(status).type('text/plain').send(`${REFUSALS[status]}\n`)
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}

/** A scraper, a kubelet and a developer use an address or localhost. */
function isOwnHost(host: string): boolean {
  return /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)
}

function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || (host !== undefined && origin === `http://${host}`)
}
