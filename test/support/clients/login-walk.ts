/**
 * Walks through a login without a browser: follows redirects from server to server, and keeps the cookies of each.
 *
 * It sends what a browser sends with a navigation. It posts the provider's forms, which it knows by a field `login` or
 * `xsrf`, and fills in their fields. It runs no scripts.
 */
import { type Dispatcher, request } from 'undici'

/** A line `Set-Cookie`, read. */
export interface SetCookie {
  readonly name: string
  readonly value: string
  /** By their names in lower case; those without a value have the empty one. */
  readonly attributes: ReadonlyMap<string, string>
  /** The line as it came. */
  readonly line: string
}

type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

export function setCookies(headers: AnswerHeaders): readonly SetCookie[] {
  return [headers['set-cookie'] ?? []].flat().map(readSetCookie)
}

function readSetCookie(line: string): SetCookie {
  const [pair = '', ...attributes] = line.split(';').map(part => part.trim())
  const [name, value] = cutAt(pair)
  const named = attributes.map(cutAt).map(([key, content]) => [key.toLowerCase(), content] as const)
  return { name, value, attributes: new Map(named), line }
}

function cutAt(pair: string): readonly [name: string, value: string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/**
 * The cookies of one browser. As in a browser, the ports of a host share them. It knows `Path`, and it forgets what is
 * set with `Max-Age=0` or an `Expires` of the past; all else of a cookie's life, and `Secure`, is as if on loopback.
 */
export interface CookieJar {
  keep(url: string | URL, cookies: readonly SetCookie[]): void
  /** The header `Cookie` for a request to the URL; undefined when there is none to send. */
  header(url: string | URL): string | undefined
  /** The cookie's value, if it is sent to the URL. */
  get(url: string | URL, name: string): string | undefined
  /** The names of the cookies that are sent to the URL. */
  names(url: string | URL): readonly string[]
  /** Another browser with the same cookies. */
  copy(): CookieJar
}

interface KeptCookie {
  readonly host: string
  readonly path: string
  readonly name: string
  readonly value: string
}

export function createCookieJar(initial: Iterable<KeptCookie> = []): CookieJar {
  const keyOf = ({ host, path, name }: Pick<KeptCookie, 'host' | 'path' | 'name'>) => `${host} ${path} ${name}`
  const kept = new Map(Array.from(initial, cookie => [keyOf(cookie), cookie]))
  const sentTo = (url: string | URL): KeptCookie[] => {
    const { hostname, pathname } = new URL(url)
    const isBelow = (path: string) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
    return [...kept.values()].filter(({ host, path }) => host === hostname && isBelow(path))
  }
  return {
    keep(url, cookies) {
      const { hostname, pathname } = new URL(url)
      for (const { name, value, attributes } of cookies) {
        const path = attributes.get('path') ?? (pathname.slice(0, pathname.lastIndexOf('/')) || '/')
        const cookie = { host: hostname, path, name, value }
        const isOver = attributes.get('max-age') === '0' || Date.parse(attributes.get('expires') ?? '') <= Date.now()
        if (isOver) kept.delete(keyOf(cookie))
        else kept.set(keyOf(cookie), cookie)
      }
    },
    header: url =>
      sentTo(url)
        .map(({ name, value }) => `${name}=${value}`)
        .join('; ') || undefined,
    get: (url, name) => sentTo(url).find(cookie => cookie.name === name)?.value,
    names: url => sentTo(url).map(({ name }) => name),
    copy: () => createCookieJar(kept.values()),
  }
}

/** A request on the way, and its answer. */
export interface Hop {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly headers: AnswerHeaders
  readonly setCookies: readonly SetCookie[]
}

export interface WalkOptions {
  /** The first request posts this form, as a page of the same origin does. Default: it is a GET. */
  readonly post?: Readonly<Record<string, string>>
  /** The browser's cookies, which are added to. Default: an empty jar. */
  readonly jar?: CookieJar
  /** What is filled in, by the fields' names. A field that is left out is sent as the page has it. */
  readonly form?: Readonly<Record<string, string>>
  /** Stops before it goes there. Default: never. */
  readonly until?: (url: URL) => boolean
  /** Goes with every request, over what a browser sends; an empty value leaves the header out. */
  readonly headers?: Readonly<Record<string, string>>
  /** Makes the connections. Default: undici's own. */
  readonly dispatcher?: Dispatcher
}

export interface Walk {
  readonly jar: CookieJar
  readonly hops: readonly Hop[]
  /** Where the walk has ended. */
  readonly url: string
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
  /** Where it would have gone next, if `until` has stopped it. */
  readonly stoppedBefore: string | undefined
}

const MAX_HOPS = 20

/** @throws {Error} after 20 hops, with the way it went */
export async function walk(start: string, options: WalkOptions = {}): Promise<Walk> {
  const { jar = createCookieJar(), post, form = {}, until = () => false, headers = {}, dispatcher } = options
  const hops: Hop[] = []
  let next: Step =
    post === undefined ? { method: 'GET', url: start } : { method: 'POST', url: start, body: new URLSearchParams(post) }
  let site = 'none'
  while (hops.length < MAX_HOPS) {
    const { method, url, body, from }: Step = next
    if (from !== undefined && new URL(from).hostname !== new URL(url).hostname) site = 'cross-site'
    const sent = {
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      'sec-fetch-site': body === undefined ? site : 'same-origin',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      'sec-fetch-user': '?1',
      cookie: jar.header(url) ?? '',
      ...(body === undefined
        ? {}
        : { origin: new URL(from ?? url).origin, 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    }
    const answer = await request(url, {
      method,
      // The server of a test closes without waiting for connections that are kept.
      reset: true,
      headers: Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== '')),
      ...(body === undefined ? {} : { body: body.toString() }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
    })
    const text = await answer.body.text()
    const cookies = setCookies(answer.headers)
    jar.keep(url, cookies)
    hops.push({ method, url, status: answer.statusCode, headers: answer.headers, setCookies: cookies })
    const step = nextStep(next, answer, text, form)
    if (step === undefined || until(new URL(step.url))) {
      const { statusCode: status, headers: received } = answer
      return { jar, hops, url, status, headers: received, text, stoppedBefore: step?.url }
    }
    next = step
  }
  throw new Error(`sent around in circles: ${hops.map(({ status, url }) => `${status} ${url}`).join(', ')}`)
}

interface Step {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly body?: URLSearchParams
  /** The URL before it. */
  readonly from?: string
}

function nextStep(
  { url, method, body }: Step,
  { statusCode, headers: { location } }: Dispatcher.ResponseData,
  text: string,
  form: Readonly<Record<string, string>>,
): Step | undefined {
  if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
    const target = new URL(location, url).href
    const isKept = (statusCode === 307 || statusCode === 308) && body !== undefined
    return isKept ? { method, url: target, body, from: url } : { method: 'GET', url: target, from: url }
  }
  const [, opening, inside] = /<form\b([^>]*)>([\s\S]*?)<\/form>/.exec(text) ?? []
  if (opening === undefined || inside === undefined || !PROVIDERS_FIELD.test(inside)) return undefined
  const fields = [...inside.matchAll(/<input\b[^>]*>/g)].map(([tag]) => [
    attribute(tag, 'name'),
    attribute(tag, 'value'),
  ])
  const filled = fields.map(([name = '', value = '']) => [name, form[name] ?? value])
  return {
    method: 'POST',
    url: new URL(attribute(opening, 'action') ?? '', url).href,
    body: new URLSearchParams(filled),
    from: url,
  }
}

const PROVIDERS_FIELD = /\bname="(?:login|xsrf)"/

function attribute(tag: string, name: string): string | undefined {
  const [, value] = new RegExp(`\\b${name}="([^"]*)"`).exec(tag) ?? []
  return value?.replace(/&(?:#(\d+)|amp|quot|lt|gt);/g, (found, code?: string) =>
    code === undefined ? (ENTITIES[found] ?? found) : String.fromCharCode(Number(code)),
  )
}

const ENTITIES: Readonly<Record<string, string>> = { '&amp;': '&', '&quot;': '"', '&lt;': '<', '&gt;': '>' }

export interface LoggedIn extends Walk {
  /** The session's cookie as a request sends it: `name=value`. */
  readonly cookie: string
}

/**
 * Signs in by opening a page that needs it.
 *
 * @param name of the session's cookie
 * @throws {Error} there is no session at the end of the way; it says which way that was
 */
export async function logIn(page: string, options: WalkOptions = {}, name = '__Host-sallyport'): Promise<LoggedIn> {
  const walked = await walk(page, options)
  const value = walked.jar.get(page, name)
  if (value === undefined) {
    const way = walked.hops.map(({ method, status, url }) => `${method} ${url} ${status}`).join('\n')
    throw new Error(`no cookie ${name} at the end of this way:\n${way}\n${walked.text}`)
  }
  return { ...walked, cookie: `${name}=${value}` }
}
