/**
 * Says which origins a route lets read its answers, and with which lines it tells browsers so.
 *
 * Fetch Standard (CORS protocol), RFC 6454 §7 (Origin), RFC 9110 §12.5.5 (Vary). The gateway is the one owner of these
 * lines on a route with `cors`: two of them, the service's and ours, would be refused by every browser.
 */
import { Denial } from '../errors.ts'
import { evidenceText } from '../lib/evidence-text.ts'

/** What the configuration says of a route. */
export interface CorsRules {
  /** Exact origins, origins with one leading `*` label, or `*` alone. */
  readonly origins: readonly string[]
  /** Names of request headers that a page may send, in lower case. */
  readonly headers: readonly string[]
  /** Names of response headers that a page may read, besides {@link EXPOSED}. */
  readonly exposeHeaders: readonly string[]
  /** Whether a page may send its cookies. */
  readonly credentials: boolean
  readonly maxAgeSeconds: number
  /** Whether a request of another origin is refused. */
  readonly enforceOrigin: boolean
}

export interface Cors {
  readonly rules: CorsRules
  /** Is true when pages of this origin may read the answers. */
  grants(origin: string): boolean
  /** Returns what every answer to a request carries, flat names and values. */
  answerLines(asked: AskedBy): readonly string[]
  /** Returns what the answer to a preflight carries, flat names and values. */
  preflightLines(origin: string, methods: readonly string[]): readonly string[]
}

/** Who asks, as far as the head of a request says it. */
interface AskedBy {
  /** `Origin` as it came; undefined without one. */
  readonly origin: string | undefined
  /** Whether the request is one of gRPC-Web, whose status a page reads from the head. */
  readonly isGrpcWeb: boolean
}

/** What a page may always read: why it was refused, what it can do about that, and by which name we log it. */
export const EXPOSED = [
  'WWW-Authenticate',
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'X-Request-Id',
  'DPoP-Nonce',
] as const
const EXPOSED_IN_GRPC = ['grpc-status', 'grpc-message', 'grpc-retry-pushback-ms'] as const

/** Says that the answer depends on who asks, also where that was not a page. */
export const VARY: readonly string[] = Object.freeze(['Vary', 'Origin'])
/** Most origins of a wildcard whose lines are remembered; those of more are made anew. */
const REMEMBERED = 100

export function cors(rules: CorsRules): Cors {
  const isForAll = rules.origins.includes('*')
  const exact = new Set(rules.origins.filter(origin => !origin.includes('*')))
  const wildcards = rules.origins.filter(origin => origin !== '*' && origin.includes('*')).map(wildcard)
  const plain = remembered(origin => lines(origin, EXPOSED))
  const grpc = remembered(origin => lines(origin, [...EXPOSED, ...EXPOSED_IN_GRPC]))
  const unasked = isForAll ? plain('*') : VARY

  function grants(origin: string): boolean {
    return isForAll || exact.has(origin) || wildcards.some(fits => fits(origin))
  }

  function lines(origin: string, exposed: readonly string[]): readonly string[] {
    return Object.freeze([
      ...allowed(origin),
      ...['Access-Control-Expose-Headers', [...exposed, ...rules.exposeHeaders].join(', ')],
    ])
  }

  function allowed(origin: string): readonly string[] {
    return [
      ...['Access-Control-Allow-Origin', isForAll ? '*' : origin],
      ...(rules.credentials ? ['Access-Control-Allow-Credentials', 'true'] : []),
      ...(isForAll ? [] : VARY),
    ]
  }

  return Object.freeze({
    rules,
    grants,
    answerLines: ({ origin, isGrpcWeb }) => {
      if (isForAll) return isGrpcWeb ? grpc('*') : unasked
      if (origin === undefined || !grants(origin)) return VARY
      return isGrpcWeb ? grpc(origin) : plain(origin)
    },
    preflightLines: (origin, methods) => [
      ...allowed(origin),
      ...['Access-Control-Allow-Methods', methods.join(', ')],
      ...(rules.headers.length === 0 ? [] : ['Access-Control-Allow-Headers', rules.headers.join(', ')]),
      ...['Access-Control-Max-Age', String(rules.maxAgeSeconds)],
    ],
  } satisfies Cors)
}

/**
 * @returns undefined for a request that no browser has sent on behalf of a page
 * @throws {Denial} `request_malformed`: two lines, of which each reader takes another
 */
export function askedBy(rawHeaders: readonly string[]): AskedBy {
  let origin: string | undefined
  let isGrpcWeb = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === ORIGIN.length && name.toLowerCase() === ORIGIN) {
      if (origin !== undefined) throw new Denial('request_malformed', { evidence: { what: 'more than one origin' } })
      origin = rawHeaders[i + 1] as string
    } else if (name.length === TYPE.length && name.toLowerCase() === TYPE) {
      isGrpcWeb = GRPC_WEB.test(rawHeaders[i + 1] as string)
    }
  }
  return { origin, isGrpcWeb }
}

/**
 * Takes a request without `Origin`, which is no page's, and one whose origin is listed.
 *
 * @throws {Denial} `origin_forbidden`
 */
export function checkOrigin({ grants, rules }: Cors, origin: string | undefined): void {
  if (!rules.enforceOrigin || origin === undefined || grants(origin)) return
  throw new Denial('origin_forbidden', {
    evidence: { requirement: 'cors.origins', accepted: rules.origins, seen: evidenceText(origin) },
  })
}

const ORIGIN = 'origin'
const TYPE = 'content-type'
const GRPC_WEB = /^application\/grpc-web/i

/** `*` stands for one label of a name: letters, digits, `-` and `_`, at least one. */
function wildcard(pattern: string): (origin: string) => boolean {
  const [before = '', after = ''] = pattern.split('*')
  return origin => {
    if (origin.length <= before.length + after.length || !origin.startsWith(before) || !origin.endsWith(after))
      return false
    return LABEL.test(origin.slice(before.length, origin.length - after.length))
  }
}

const LABEL = /^[a-z0-9_-]+$/

function remembered(make: (origin: string) => readonly string[]): (origin: string) => readonly string[] {
  const made = new Map<string, readonly string[]>()
  return origin => {
    const known = made.get(origin)
    if (known !== undefined) return known
    const lines = make(origin)
    if (made.size < REMEMBERED) made.set(origin, lines)
    return lines
  }
}
