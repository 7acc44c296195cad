/** Serves the keys by which services verify our own tokens, as a JWK Set (RFC 7517 §5). Nothing private is in it. */
import type { FastifyInstance } from 'fastify'
import { ADMIN_STATUS } from '../errors.ts'
import type { JsonObject } from '../types.ts'

export const PUBLISHED_KEYS_PATH = '/-/jwks'

export type PublishedKeys = readonly JsonObject[]

/** Undefined while the configuration asks for no tokens of ours. */
export type AskPublishedKeys = () => PublishedKeys | undefined | Promise<PublishedKeys | undefined>

const NONE = 'the configuration has no `identity.token`, so that there are no keys\n'

export function servePublishedKeys(app: FastifyInstance, published: AskPublishedKeys): void {
  app.get(PUBLISHED_KEYS_PATH, async (_request, reply) => {
    const keys = await published()
    if (keys === undefined) return reply.code(ADMIN_STATUS.notFound).type('text/plain').send(NONE)
    return reply.header('cache-control', 'max-age=300').send({ keys })
  })
}
