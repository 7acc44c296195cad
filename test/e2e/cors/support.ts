/** Puts a gateway with `cors` in front of a service, for pages of several origins, over each version of HTTP. */
import type { RequestListener } from 'node:http'
import { testAuthority } from '../../support/certificates.ts'
import { startTestStack, type TestStack, testProvider } from '../../support/gateway/gateway.ts'
import { type PageServer, startPageServer } from '../../support/services/page-server.ts'
import { echo, startTestUpstream } from '../../support/services/upstream.ts'
import { startWebSocketService, type WebSocketService } from '../../support/services/websocket-service.ts'

/** Made once, so that the browser of a file can be told to trust it. */
const authority = testAuthority()
export const certificate = authority.issue('server', ['DNS:localhost'])
process.once('exit', () => authority.remove())

export const VERSIONS = ['HTTP/1.1', 'HTTP/2'] as const
export type Version = (typeof VERSIONS)[number]

export interface CorsStack extends TestStack {
  readonly pages: PageServer
  /** The service behind `/feed/**`. */
  readonly feed: WebSocketService
  /** Where pages find the gateway: another origin than theirs, and the same site. */
  readonly api: string
  /** The origin of pages with this host name, of the scheme that the gateway has. */
  origin(name: string): string
  /** How many preflights of a route were answered so far. */
  preflights(route: string, result?: 'allowed' | 'refused'): Promise<number>
}

/** The one host whose pages every route with `cors` lists. */
export const LISTED = 'app.shop.test'

export async function startCorsStack(version: Version): Promise<CorsStack> {
  const isSecure = version === 'HTTP/2'
  const pages = await startPageServer(certificate)
  const origin = (name: string): string => (isSecure ? pages.secure(name) : pages.plain(name))
  const feed = await startWebSocketService({ handleProtocols: offered => offered.has('chat') && 'chat' })
  const listed = [origin(LISTED)]
  const { certFile, keyFile } = certificate
  const stack = await startTestStack(
    (issuer, upstream) => ({
      listen: { address: '127.0.0.1:0', ...(isSecure ? { tls: { certFile, keyFile } } : {}) },
      limits: { bodyBytes: '1KiB' },
      providers: {
        main: testProvider(issuer),
        silent: { ...testProvider(issuer), issuer: SILENT_ISSUER, keys: { jwksUri: `${NOBODY}/jwks.json` } },
      },
      upstreams: { app: upstream.url, feed: feed.url, gone: NOBODY },
      cors: { origins: listed, exposeHeaders: ['etag'] },
      routes: [
        { id: 'orders', path: '/orders/**', upstream: 'app' },
        { id: 'admin', path: '/admin/**', upstream: 'app', require: { scopes: ['admin'] } },
        { id: 'gone', path: '/gone/**', upstream: 'gone' },
        { id: 'closed', path: '/closed/**', upstream: 'app', access: 'public', cors: 'off' },
        { id: 'any', path: '/any/**', upstream: 'app', access: 'public', cors: { origins: ['*'] } },
        { id: 'tenants', path: '/tenants/**', upstream: 'app', cors: { origins: [origin('*.shop.test')] } },
        { id: 'brief', path: '/brief/**', upstream: 'app', cors: { origins: listed, maxAge: '0s' } },
        {
          id: 'session',
          path: '/session/**',
          upstream: 'app',
          access: 'public',
          cors: { origins: listed, credentials: true },
        },
        {
          id: 'session-end',
          path: '/session/:id',
          methods: ['DELETE'],
          upstream: 'app',
          access: 'public',
          cors: { origins: listed },
        },
        {
          id: 'strict',
          path: '/strict/**',
          upstream: 'app',
          access: 'public',
          cors: { origins: listed, enforceOrigin: true },
        },
        {
          id: 'feed',
          path: '/feed/**',
          upstream: 'feed',
          credentials: ['authorization', { websocketProtocol: 'bearer' }],
          cors: { origins: listed, enforceOrigin: true },
        },
        {
          id: 'grpc',
          path: '/shop.Orders/**',
          methods: ['POST'],
          upstream: 'app',
          cors: { origins: listed, headers: ['authorization', 'content-type', 'x-grpc-web'] },
        },
      ],
    }),
    { upstream: await startTestUpstream(serve) },
  )
  return {
    ...stack,
    pages,
    feed,
    api: `${isSecure ? 'https' : 'http'}://api.shop.test:${new URL(stack.url).port}`,
    origin,
    async preflights(route, result = 'allowed') {
      const series = `sallyport_cors_preflights_total{route="${route}",result="${result}"}`
      return (await stack.metrics()).get(series) ?? 0
    },
    async close() {
      await stack.close()
      await Promise.all([pages.close(), feed.close()])
    },
  }
}

/** No server listens there. */
const NOBODY = 'http://127.0.0.1:1'

/** Nobody gives out the keys of this issuer. */
export const SILENT_ISSUER = 'https://silent.example.com'

/** A message of gRPC-Web, and its trailers in a frame of their own. */
const GRPC_ANSWER = Buffer.from('\0\0\0\0\x02hi\x80\0\0\0\x10grpc-status: 0\r\n', 'latin1')

const serve: RequestListener = (request, response) => {
  const path = request.url ?? ''
  if (path.endsWith('/own')) {
    // The service has opinions of its own, which browsers must not see beside ours.
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Access-Control-Allow-Credentials', 'true')
    response.setHeader('Access-Control-Expose-Headers', 'X-Secret')
    response.setHeader('X-Secret', 'secret')
    response.setHeader('ETag', '"7"')
    response.setHeader('Vary', 'Accept')
  }
  if (path.endsWith('/missing')) response.writeHead(404).end('no such order')
  else if (path.endsWith('/cookie')) response.setHeader('Set-Cookie', 'id=7; Path=/').end()
  else if (path.endsWith('/events'))
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  else if (path.startsWith('/shop.Orders/'))
    response.writeHead(200, { 'content-type': 'application/grpc-web+proto' }).end(GRPC_ANSWER)
  else echo(request, response)
}
