/** An application of Fastify's with the guard in front of its own routes, on a port of its own. */
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import sallyport, { type ConfigObject } from '../../../src/library/index.ts'
import { exchangeOverHttp2 } from '../clients/http2-exchange.ts'
import { openWire, type RawReply } from '../wire.ts'

export interface GuardedApp {
  readonly app: FastifyInstance
  readonly port: number
  /** Sends a request on a connection of its own, and takes one answer. */
  exchange(bytes: string): Promise<RawReply | undefined>
  close(): Promise<void>
}

export interface GuardedAppOptions {
  readonly config: string | ConfigObject
  /** Options of `Fastify()`; `http2: true` makes `exchange` speak HTTP/2. */
  readonly fastify?: Record<string, unknown>
  readonly log?: FastifyBaseLogger
  readonly env?: Readonly<Record<string, string>>
  /** The application's routes. Left out, it shows what it was told, on every path. */
  readonly routes?: (app: FastifyInstance) => void
}

export async function startGuardedApp(options: GuardedAppOptions): Promise<GuardedApp> {
  const { config, fastify = {}, log, env = {}, routes = showsAll } = options
  const app = Fastify({ ...fastify, ...(log !== undefined && { loggerInstance: log }) }) as unknown as FastifyInstance
  await app.register(sallyport, { config, env })
  routes(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const { https } = fastify as { readonly https?: { readonly cert: string } }
  const http2 = exchangeOverHttp2(https?.cert)
  return {
    app,
    port,
    exchange: fastify.http2 === true ? bytes => http2(port, bytes) : bytes => exchangeOnce(port, bytes),
    close: () => app.close(),
  }
}

/** Sends bytes on a connection of their own and takes one answer. */
export async function exchangeOnce(port: number, bytes: string): Promise<RawReply | undefined> {
  const wire = openWire(port)
  try {
    wire.write(bytes)
    return await wire.reply(bytes.slice(0, bytes.indexOf(' ')))
  } finally {
    wire.end()
  }
}

export function showsAll(app: FastifyInstance): void {
  app.all('/*', shown)
}

export async function shown(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { principal, headers, raw, query, url } = request
  reply.header('vary', 'Accept')
  return {
    principal: principal && { ...principal, scopes: [...principal.scopes], roles: [...principal.roles] },
    headers,
    rawHeaders: raw.rawHeaders,
    distinct: raw.headersDistinct,
    query,
    url,
  }
}
