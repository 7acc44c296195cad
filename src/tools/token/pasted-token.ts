/**
 * Finds the token in what somebody has pasted: within quotes, a header, a `curl` line, the JSON of a token endpoint or
 * a URL, and broken over lines, as terminals and mails break it.
 *
 * Only the form is looked at. What no token can be is told as it is to be mended, and never repeated.
 */

export interface PastedToken {
  readonly token: string
  /** What is missing of a token that may still be looked at. */
  readonly hint: string | undefined
}

/** What was pasted holds no whole token; the message says what to do. */
export class PasteError extends Error {
  override readonly name = 'PasteError'
}

/** @throws {PasteError} it is several tokens, or a part was cut out of its middle */
export function pastedToken(pasted: string): PastedToken {
  const text = withoutInvisible(pasted)
  if (text.startsWith('-----BEGIN') || /^\{[^{]*"kty"/.test(text)) throw new PasteError('this is a key, and no token')
  if (/^(?:cookie:\s*|set-cookie:\s*)?__Host-sallyport/i.test(text))
    throw new PasteError('this is the cookie of a session: it holds no token, which the gateway keeps to itself')
  const found = ofMember(text) ?? ofHeader(text) ?? ofParameter(text) ?? text
  const token = joined(bare(found))
  if (token.includes('…') || (token.startsWith('eyJ') && token.includes('...')))
    throw new PasteError('the token is cut: a part in its middle stands as "…"; copy the whole of it')
  return { token, hint: missing(token) }
}

/** Takes away what takes no room on a screen, such as the mark at the beginning of a file. */
function withoutInvisible(text: string): string {
  return text.replaceAll(/\p{Cf}/gu, '').trim()
}

/** `{"access_token": "…", "token_type": "Bearer"}`, also with the blanks and lines of a page. */
function ofMember(text: string): string | undefined {
  for (const name of ['access_token', 'token', 'id_token']) {
    const [, value] = new RegExp(`["']${name}["']\\s*:\\s*["']([^"']*)["']`).exec(text) ?? []
    if (value !== undefined) return value
  }
  return undefined
}

/** `Authorization: Bearer …`, wherever it stands in a `curl` line, and `Bearer …`. */
function ofHeader(text: string): string | undefined {
  const [, quote, value] =
    /(["'])?(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:bearer|dpop)\s+([^"']*)/is.exec(text) ?? []
  // A header in quotes ends with them; any other takes the line.
  if (value !== undefined) return quote === undefined ? value.replace(/\s+(?:-|[\w-]+:).*$/s, '') : value
  const [, rest] = /^["'`]?(?:bearer|dpop)\s+(.*)$/is.exec(text) ?? []
  return rest
}

/** `access_token=…&token_type=Bearer`, of a form or of a URL, and `TOKEN=…` of a shell. */
function ofParameter(text: string): string | undefined {
  const [, value] = /(?:^|[?#&\s])(?:access_|id_)?token=([^&\s]*)/i.exec(text) ?? []
  return value
}

const OPENING = /^["'`“”‘’«»<([{\s]+/
const CLOSING = /["'`“”‘’«»>)\]},;\s]+$/

function bare(text: string): string {
  return text
    .replace(OPENING, '')
    .replace(CLOSING, '')
    .replace(/^(?:bearer|dpop)\s+/i, '')
}

/** Joins the lines of a token, and of one that can be recognised also what stands between blanks. */
function joined(text: string): string {
  const pieces = text.split(/\s+/)
  if (pieces.filter(piece => isWhole(piece)).length > 1) throw new PasteError('these are several tokens; give one')
  return text.startsWith('eyJ') ? pieces.join('') : text.replaceAll(/\s*[\r\n]+\s*/g, '')
}

function isWhole(piece: string): boolean {
  return piece.startsWith('eyJ') && piece.split('.').length >= 3
}

function missing(token: string): string | undefined {
  if (!token.startsWith('eyJ')) return undefined
  const parts = token.split('.')
  const wanted = parts.length > 3 ? 5 : 3
  if (parts.length >= wanted) return undefined
  return `the token has ${parts.length} of its ${wanted} parts, so its end is missing: copy the whole of it`
}
