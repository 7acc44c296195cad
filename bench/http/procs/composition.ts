/**
 * Is a peer: what a team writes in an afternoon from @fastify/http-proxy, `jose` and `lru-cache`,
 * in their obvious form.
 *
 * It checks what a careful team would check and no more; it has none of the path, header and framing rules.
 */
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'

declare module 'fastify' {
  interface FastifyRequest {
    claims: JWTPayload | null
  }
}

const [port, upstream = '', jwksUri = '', issuer = '', audience = ''] = process.argv.slice(2)
const keys = createRemoteJWKSet(new URL(jwksUri))
const verified = new LRUCache<string, JWTPayload>({ max: 10_000 })

const app = Fastify({
  logger: false,
  disableRequestLogging: true,
  bodyLimit: 200 * 1024 * 1024,
  keepAliveTimeout: 75_000,
})
app.decorateRequest('claims', null)

async function verify(token: string): Promise<JWTPayload> {
  const known = verified.get(token)
  if (known?.exp !== undefined && known.exp > Date.now() / 1000) return known
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    requiredClaims: ['exp', 'sub'],
  })
  verified.set(token, payload)
  return payload
}

app.get('/healthz', () => 'ok')
await app.register(proxy, {
  upstream,
  prefix: '/orders',
  rewritePrefix: '/orders',
  undici: { connections: 1024, pipelining: 1, connect: { rejectUnauthorized: true } },
  preHandler: async (request, reply) => {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) return reply.code(401).header('WWW-Authenticate', 'Bearer').send()
    try {
      request.claims = await verify(token)
    } catch {
      return reply.code(401).header('WWW-Authenticate', 'Bearer error="invalid_token"').send()
    }
    const scopes = String(request.claims.scope ?? '').split(' ')
    if (!scopes.includes('orders:read')) return reply.code(403).send()
  },
  replyOptions: {
    rewriteRequestHeaders: (request, { authorization: _, ...headers }) => ({
      ...headers,
      'x-auth-issuer': issuer,
      'x-auth-subject': String(request.claims?.sub ?? ''),
      'x-auth-client': String(request.claims?.client_id ?? ''),
      'x-auth-scope': String(request.claims?.scope ?? ''),
      'x-auth-roles': JSON.stringify(request.claims?.roles ?? []),
    }),
  },
})
await app.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
