/** Makes the endpoint on the traffic listener where services find the keys of our own tokens (RFC 7517 §5). */
import type { Config } from '../config/schema/schema.ts'
import type { Endpoint } from '../policy.ts'
import type { Answer, JsonObject, RequestFacts, RouteMetrics } from '../types.ts'

const ID = '(jwks)'

/** It is half of the time for which a key is published before it signs. */
const MAX_AGE_SECONDS = 300

/** @param published gives the keys as they are now */
export function publishedKeysEndpoints(
  { identity: { token } }: Pick<Config, 'identity'>,
  published: () => readonly JsonObject[] | undefined,
  metricsOf: (id: typeof ID) => RouteMetrics,
): readonly Endpoint[] {
  if (token?.jwksPath === undefined) return []
  return [
    Object.freeze({
      kind: 'endpoint' as const,
      id: ID,
      path: token.jwksPath,
      methods: undefined,
      respond: ({ method }: RequestFacts) => answer(method, published() ?? []),
      metrics: metricsOf(ID),
    }),
  ]
}

function answer(method: string, keys: readonly JsonObject[]): Answer {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: ['Allow', 'GET, HEAD'], body: '' }
  return {
    status: 200,
    headers: ['Content-Type', 'application/json', 'Cache-Control', `max-age=${MAX_AGE_SECONDS}`],
    body: JSON.stringify({ keys }),
  }
}
