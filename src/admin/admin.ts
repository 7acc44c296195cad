/**
 * The admin listener: probes, metrics and status for the operator, apart from the traffic.
 *
 * It changes nothing and shows no secret. A request with a foreign Origin, or with a Host that is a name other than
 * localhost, comes from a browser that was tricked (DNS rebinding) and is refused.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import { ADMIN_STATUS, DENIALS } from '../errors.ts'
import type { Status } from './status.ts'

export interface AdminDeps {
  readonly status: () => Status
  /** Prometheus' text format. */
  readonly metricsText: () => Promise<string>
  readonly metricsContentType: string
}

const PATHS = ['/livez', '/readyz', '/metrics', '/-/status'] as const

export function admin(deps: AdminDeps): FastifyInstance {
  const app = Fastify({ logger: false, exposeHeadRoutes: true, requestTimeout: 10_000, bodyLimit: 1024 })

  app.addHook('onRequest', async (request, reply) => {
    if (isOwnHost(request.headers.host) && isOwnOrigin(request.headers.origin, request.headers.host)) return
    const { status, title } = DENIALS.host_invalid
    await reply.code(status).type('text/plain').send(`${title}\n`)
  })

  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', (_request, reply) => {
    const { ready, reasons } = deps.status()
    return reply.code(ready ? ADMIN_STATUS.ok : ADMIN_STATUS.notReady).send({ ready, reasons })
  })
  app.get('/metrics', async (_request, reply) => reply.type(deps.metricsContentType).send(await deps.metricsText()))
  app.get('/-/status', (_request, reply) => reply.send(deps.status()))

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const isKnown = (PATHS as readonly string[]).includes(path)
    if (isKnown) reply.header('allow', 'GET, HEAD')
    return reply
      .code(isKnown ? ADMIN_STATUS.methodNotAllowed : ADMIN_STATUS.notFound)
      .type('text/plain')
      .send(isKnown ? 'method not allowed\n' : 'not found\n')
  })
  return app
}

/** An address or localhost: what a scraper, a kubelet and a developer use. */
function isOwnHost(host: string | undefined): boolean {
  return host !== undefined && /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)
}

function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || origin === `http://${host}`
}
