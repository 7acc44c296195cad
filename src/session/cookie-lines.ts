/**
 * Reads our cookies, writes them, and keeps them from the service.
 *
 * RFC 6265bis §4.1.2 (attributes), §5.6, §5.7, RFC 9113 §8.2.3 (several Cookie lines). What is read is read in one
 * exact spelling. What is removed is removed in every spelling that some service or browser reads as the same.
 */
import { holdsOwnName, isUnsuspicious, LOGIN_COOKIE_PREFIX, SESSION_COOKIE } from './cookie-names.ts'

/** A login that is under way in the browser. */
export interface LoginCookie {
  /** What follows the prefix in its name: the first eight characters of the login's state. */
  readonly label: string
  readonly value: string
}

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'
const LABEL = /^[A-Za-z0-9_-]{8}$/
const NONE: readonly LoginCookie[] = []

/** @returns undefined without a session cookie, and with two: nobody can say which of them the browser meant */
export function sessionCookieIn(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const line = cookieLineAt(rawHeaders, i)
    if (line === undefined || !line.includes(SESSION_COOKIE)) continue
    for (const { name, value } of cookiesOf(line)) {
      if (name !== SESSION_COOKIE) continue
      if (found !== undefined) return undefined
      found = value
    }
  }
  return found
}

/** @returns those whose names are well-formed, in the order in which they came: browsers send the oldest first */
export function loginCookiesIn(rawHeaders: readonly string[]): readonly LoginCookie[] {
  let found: LoginCookie[] | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const line = cookieLineAt(rawHeaders, i)
    if (line === undefined || !line.includes(LOGIN_COOKIE_PREFIX)) continue
    for (const { name, value } of cookiesOf(line)) {
      const label = name.startsWith(LOGIN_COOKIE_PREFIX) ? name.slice(LOGIN_COOKIE_PREFIX.length) : ''
      if (!LABEL.test(label)) continue
      found ??= []
      found.push({ label, value })
    }
  }
  return found ?? NONE
}

function cookieLineAt(rawHeaders: readonly string[], at: number): string | undefined {
  const name = rawHeaders[at]
  return name?.length === 6 && name.toLowerCase() === 'cookie' ? rawHeaders[at + 1] : undefined
}

function cookiesOf(line: string): ReadonlyArray<{ readonly name: string; readonly value: string }> {
  return line.split(';').map(cookie => {
    const equals = cookie.indexOf('=')
    if (equals === -1) return { name: '', value: trimmed(cookie) }
    return { name: trimmed(cookie.slice(0, equals)), value: trimmed(cookie.slice(equals + 1)) }
  })
}

/** Only blanks and tabs are taken off. Unicode has more, and browsers do not know a prefix behind those. */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text, start)) start++
  // A pattern for this takes quadratic time for blanks in the middle.
  while (start < end && isBlank(text, end - 1)) end--
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}

/** It has no `Max-Age`: when the session ends is not the cookie's to say. @returns a value of `Set-Cookie` */
export function sessionCookieLine(value: string): string {
  return `${SESSION_COOKIE}=${value}; ${ATTRIBUTES}`
}

/** @returns a value of `Set-Cookie` that makes the browser forget it */
export function noSessionCookieLine(): string {
  return `${SESSION_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`
}

/** @returns a value of `Set-Cookie` */
export function loginCookieLine({ label, value }: LoginCookie, maxAgeSeconds: number): string {
  return `${LOGIN_COOKIE_PREFIX}${label}=${value}; ${ATTRIBUTES}; Max-Age=${maxAgeSeconds}`
}

/** @returns a value of `Set-Cookie` that makes the browser forget it */
export function noLoginCookieLine(label: string): string {
  return `${LOGIN_COOKIE_PREFIX}${label}=; ${ATTRIBUTES}; Max-Age=0`
}

/**
 * Removes what any reader takes for a cookie of ours, and leaves all others as they came.
 *
 * @param line the value of one Cookie line
 * @returns empty when nothing is left
 */
export function withoutOwnCookies(line: string): string {
  if (isUnsuspicious(line)) return line
  const cookies = line.split(';')
  const others = cookies.filter(cookie => !holdsOwnName(cookie))
  if (others.length === cookies.length) return line
  const rest = others.join(';').replace(/^[ \t]+/, '')
  return /[^; \t]/.test(rest) ? rest : ''
}

/** Is true for a value of `Set-Cookie` by which some browser, or whoever joins such lines by commas, sets ours. */
export function isOwnSetCookie(line: string): boolean {
  if (isUnsuspicious(line)) return false
  // Attributes are no cookies, but behind a comma a joined line begins the next.
  const [cookie = '', ...attributes] = line.split(';')
  return holdsOwnName(cookie) || attributes.some(each => each.split(',').slice(1).some(holdsOwnName))
}
