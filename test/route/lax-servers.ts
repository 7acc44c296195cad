/**
 * Has servers that read paths more laxly than the gateway, and a matcher too simple to be wrong: the yardsticks of the
 * property tests, written byte by byte and independently of the code under test.
 */

export interface PlainRoute {
  readonly path: string
  readonly methods: ReadonlySet<string> | undefined
}

export type Server = (path: string) => string

/** RFC 3986 §2.3. */
const UNRESERVED = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~']

/** Servers are known to do this to a path before they look at it. */
export const STEPS: Readonly<Record<string, Server>> = {
  decode: path => fromBytes(decodeBytes(toBytes(path))),
  decodeUnreserved: path =>
    path
      .split(/(%[0-9A-Fa-f]{2})/)
      .map(part =>
        /^%/.test(part) && UNRESERVED.includes(fromBytes(decodeBytes(toBytes(part))))
          ? fromBytes(decodeBytes(toBytes(part)))
          : part,
      )
      .join(''),
  collapseSlashes: path =>
    path.split('/').reduce((joined, part) => (part === '' ? joined : `${joined}/${part}`), '') +
    (path.endsWith('/') ? '/' : ''),
  cutParameters: path =>
    path
      .split('/')
      .map(segment => segment.split(';')[0])
      .join('/'),
  cutAtSemicolon: path => path.split(';')[0] ?? '',
  cutEitherSemicolon: path =>
    path
      .split('/')
      .map(segment => segment.split(/;|%3[Bb]/)[0])
      .join('/'),
  cutAtEitherSemicolon: path => path.split(/;|%3[Bb]/)[0] ?? '',
  cutEitherQuery: path => path.split(/\?|%3[Ff]/)[0] ?? '',
  cutEitherFragment: path => path.split(/#|%23/)[0] ?? '',
  cutQuery: path => path.split('?')[0] ?? '',
  cutFragment: path => path.split('#')[0] ?? '',
  backslashIsSlash: path => path.split('\\').join('/'),
  resolveDots: path => {
    const kept: string[] = []
    const segments = path.split('/').slice(1)
    for (const [index, segment] of segments.entries()) {
      if (segment === '..') kept.pop()
      else if (segment !== '.') kept.push(segment)
      if (index === segments.length - 1 && /^\.\.?$/.test(segment)) kept.push('')
    }
    return `/${kept.join('/')}`
  },
  lowerCase: path => path.toLowerCase(),
  upperThenLowerCase: path => path.toUpperCase().toLowerCase(),
  dropLastSlash: path => (path !== '/' && path.endsWith('/') ? path.slice(0, -1) : path),
}

export function serverOf(steps: readonly string[]): Server {
  return path => steps.reduce((reading, step) => STEPS[step]?.(reading) ?? reading, path)
}

/**
 * @returns the route that a server's own reading of a path belongs to
 *
 * @param spell the server spells the literals of the routes as it spells the path
 */
export function naiveRoute<R extends PlainRoute>(
  routes: readonly R[],
  method: string,
  path: string,
  spell: Server = text => text,
): R | undefined {
  return naiveCandidates(routes, path, spell).find(
    ({ methods }) => methods === undefined || methods.has(method) || (method === 'HEAD' && methods.has('GET')),
  )
}

/** Every route is tried; the most specific shape comes first. */
export function naiveCandidates<R extends PlainRoute>(
  routes: readonly R[],
  path: string,
  spell: Server = text => text,
): readonly R[] {
  return routes
    .filter(route => shapeOf(route.path, spell).test(path))
    .sort((a, b) => (specificity(a.path) < specificity(b.path) ? -1 : 1))
}

function suffixOf(segment: string): string | undefined {
  return /^:\w+([:.].+)$/.exec(segment)?.[1]
}

function shapeOf(pattern: string, spell: Server): RegExp {
  const segments = pattern
    .split('/')
    .slice(1)
    .map(segment => {
      if (segment === '**') return '(?:/.*)?'
      const suffix = suffixOf(segment)
      if (suffix !== undefined) return `/[^/]+${RegExp.escape(spell(`/${suffix}`).slice(1))}`
      return segment.startsWith(':') ? '/[^/]+' : `/${RegExp.escape(spell(`/${segment}`).slice(1))}`
    })
  return new RegExp(`^${segments.join('')}$`, 's')
}

/** Sorts literal (a) before `:x:verb` (b), `:x` (c), nothing more (d) and `/**` (e), segment by segment. */
function specificity(pattern: string): string {
  const ranks = pattern
    .split('/')
    .slice(1)
    .map(segment => (segment === '**' ? 'e' : segment.startsWith(':') ? (suffixOf(segment) ? 'b' : 'c') : 'a'))
  return `${ranks.join('')}d`
}

function decodeBytes(bytes: readonly number[]): readonly number[] {
  const decoded: number[] = []
  for (let at = 0; at < bytes.length; at++) {
    const hex = String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0)
    if (bytes[at] === 0x25 && /^[0-9A-Fa-f]{2}$/.test(hex)) {
      decoded.push(Number.parseInt(hex, 16))
      at += 2
    } else decoded.push(bytes[at] ?? 0)
  }
  return decoded
}

function toBytes(text: string): readonly number[] {
  return [...Buffer.from(text, 'utf8')]
}

function fromBytes(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('utf8')
}
