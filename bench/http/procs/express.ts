/** Is a peer: express, express-oauth2-jwt-bearer and http-proxy-middleware, put together as their manuals show. */
import { Agent } from 'node:http'
import express, { type Request } from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import { createProxyMiddleware } from 'http-proxy-middleware'

const [port, upstream = '', jwksUri = '', issuer = '', audience = ''] = process.argv.slice(2)

const app = express().disable('x-powered-by')
app.use(
  '/orders',
  auth({ issuer, audience, jwksUri, tokenSigningAlg: 'RS256' }),
  requiredScopes('orders:read'),
  createProxyMiddleware<Request>({
    target: `${upstream}/orders`,
    agent: new Agent({ keepAlive: true, maxSockets: 1024 }),
    on: {
      proxyReq: (outgoing, request) => {
        const { payload = {} } = request.auth ?? {}
        outgoing.removeHeader('authorization')
        outgoing.setHeader('x-auth-issuer', issuer)
        outgoing.setHeader('x-auth-subject', String(payload.sub ?? ''))
        outgoing.setHeader('x-auth-client', String(payload.client_id ?? ''))
        outgoing.setHeader('x-auth-scope', String(payload.scope ?? ''))
        outgoing.setHeader('x-auth-roles', JSON.stringify(payload.roles ?? []))
      },
    },
  }),
)
const server = app.listen(Number(port), '127.0.0.1')
server.keepAliveTimeout = 75_000
