/**
 * Makes what came from tokens and requests fit to be printed: no signature, no credential, no control character.
 *
 * A token without its signature opens nothing, so its header and claims may be shown. The signature is never shown,
 * since the output of a tool ends up in issues, chats and CI logs. Control characters could rewrite the terminal.
 */

/** Matches three or more parts of base64url of which the first is a JSON object: `{"` becomes `eyJ`. */
const JWT = /\b(eyJ[\w-]*\.[\w-]*)\.[\w-]+(\.[\w-]*)*/g

/** Returns the value with every text in it made fit to be printed, at any depth; names of members are texts, too. */
export function shown<T>(value: T): T {
  return withTexts(value, shownText)
}

/** Returns the value without this token, in whatever text of it the token stands. An opaque token has no form. */
export function withoutToken<T>(value: T, token: string): T {
  return token === '' ? value : withTexts(value, text => text.replaceAll(token, '(the token)'))
}

function withTexts<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T
  if (Array.isArray(value)) return value.map(each => withTexts<unknown>(each, change)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [change(name), withTexts<unknown>(item, change)]),
  ) as T
}

/** Matches a cookie of ours: whoever has the value is logged in. */
const OWN_COOKIE = /(__Host-sallyport[\w-]*=)[^;]+/g

/** Returns the value of a header as it may be printed. */
export function shownHeaderValue(name: string, value: string): string {
  if (/^dpop$/i.test(name)) return '(left out)'
  if (/^cookie$/i.test(name)) return shownText(value.replaceAll(OWN_COOKIE, '$1(left out)'))
  if (!/^(proxy.)?authorization$/i.test(name)) return shownText(value)
  const [scheme = ''] = value.split(' ', 1)
  return scheme === value ? '(left out)' : `${shownText(scheme)} (left out)`
}

function shownText(text: string): string {
  return text.replaceAll(JWT, '$1.(signature left out)').replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}
