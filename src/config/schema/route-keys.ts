/**
 * Says of each key of a route whether it asks something of the caller.
 *
 * What is asked of nobody on a public route is refused there, and `explain` and the coverage of test cases have a row
 * for each key that asks. A new key of a route needs a row here, or nothing compiles.
 */
import type { RouteConfig } from './schema.ts'

/** `onOptional`: whether it is doubtful where a token may be left out, which gets around it. */
interface AsksCaller {
  readonly asks: 'caller'
  readonly onOptional: 'doubtful' | 'sensible'
}

interface AsksNobody {
  readonly asks: 'nobody'
  readonly because: string
}

/** The keys that ask stand in the order in which they are judged. */
const ROUTE_KEYS = {
  credentials: { asks: 'caller', onOptional: 'sensible' },
  providers: { asks: 'caller', onOptional: 'sensible' },
  resource: { asks: 'caller', onOptional: 'sensible' },
  audiences: { asks: 'caller', onOptional: 'sensible' },
  require: { asks: 'caller', onOptional: 'doubtful' },
  mcp: { asks: 'caller', onOptional: 'sensible' },
  access: { asks: 'nobody', because: 'It says whether anybody is asked.' },
  mode: { asks: 'nobody', because: 'It says what becomes of a refusal.' },
  id: { asks: 'nobody', because: 'It names the route in logs and metrics.' },
  path: { asks: 'nobody', because: 'It says which requests the route takes.' },
  methods: { asks: 'nobody', because: 'It says which requests the route takes.' },
  pathAllow: { asks: 'nobody', because: 'It says which spellings of a path the route takes.' },
  upstream: { asks: 'nobody', because: 'It says where a request goes that got in.' },
  passAuthorization: { asks: 'nobody', because: 'It says what the service gets of a request that got in.' },
  timeout: { asks: 'nobody', because: 'It bounds the answer to a request that got in.' },
  revocation: { asks: 'nobody', because: 'It says what becomes of requests while nobody can say who is revoked.' },
  anonymous: { asks: 'nobody', because: 'It says how a page that is refused is told.' },
  cors: { asks: 'nobody', because: 'It says which pages may read the answers.' },
  rateLimits: { asks: 'nobody', because: 'It counts requests that got in.' },
  streams: { asks: 'nobody', because: 'It bounds a stream that got in.' },
} as const satisfies Readonly<Record<keyof RouteConfig, AsksCaller | AsksNobody>>

type Keys = typeof ROUTE_KEYS

/** A key that asks something of the caller. */
export type CallerKey = { [K in keyof Keys]: Keys[K] extends AsksCaller ? K : never }[keyof Keys]

/** In the order in which they are judged. */
export const CALLER_KEYS = (Object.keys(ROUTE_KEYS) as ReadonlyArray<keyof Keys>).filter(isCallerKey)

function isCallerKey(key: keyof Keys): key is CallerKey {
  return ROUTE_KEYS[key].asks === 'caller'
}

/** The keys of a route that is `access: optional` which a caller gets around by leaving the token out. */
export function keysGotAround(route: RouteConfig): readonly CallerKey[] {
  if (route.access !== 'optional') return []
  return CALLER_KEYS.filter(key => route[key] !== undefined && ROUTE_KEYS[key].onOptional === 'doubtful')
}
