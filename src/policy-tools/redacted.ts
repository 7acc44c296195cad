/**
 * Keeps what proves an identity out of what a tool prints: credentials in header values, signatures anywhere.
 *
 * A token without its signature opens nothing, so header and claims may be shown; the signature never is, since the
 * output of a tool ends up in issues, chats and CI logs.
 */

/** Three parts of base64url, the first of which is a JSON object (`{"` is `eyJ`). */
const JWT = /\b(eyJ[\w-]*\.[\w-]*)\.[\w-]+(\.[\w-]+)*/g

/** A text with the signature of every token in it left out. */
export function withoutSignatures(text: string): string {
  return text.replaceAll(JWT, '$1.(signature left out)')
}

/** The value of a header as it may be printed. */
export function shownHeaderValue(name: string, value: string): string {
  if (!/^(proxy-)?authorization$/i.test(name)) return withoutSignatures(value)
  const [scheme = ''] = value.split(' ', 1)
  return scheme === value ? '(left out)' : `${scheme} (left out)`
}
