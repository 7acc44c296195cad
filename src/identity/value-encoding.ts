/**
 * Writes a claim as a header value that cannot split a line, lose a blank or be mistaken for another value.
 *
 * RFC 8187 §3.2 (ext-value), RFC 8259 (JSON), RFC 9110 §5.5 (field values: outer blanks are not part of them).
 *
 * Two different strings never share a value, nor do two different arrays or objects, nor two joined lists of strings.
 * Values of different JSON types can (`1` and `"1"`): who reads a header knows which type the claim has. Whoever reads
 * a joined list undoes the ext-value if there is one, splits on the delimiter, and undoes the percent-encoding.
 */
import { Denial } from '../errors.ts'
import type { JsonValue } from '../types.ts'

/** There is no blank at either end: parsers trim them, and `" alice "` would arrive as `alice`. */
const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
const extPrefix = /^utf-8''/i

/**
 * @returns undefined for `null`, which says as little as a missing claim
 * @throws {Denial} `claim_invalid`: a string that is no Unicode text
 */
export function headerValue(value: JsonValue): string | undefined {
  if (value === null) return undefined
  return typeof value === 'string' ? textValue(value) : asciiJson(value)
}

/**
 * Joins the elements of a list; a value that is no list counts as its only element, so that the string `a,b` and the
 * list `["a", "b"]` differ. An element that is no scalar is written as JSON. An empty list has nothing to say.
 *
 * @param delimiter one that {@link isDelimiter} accepts
 * @throws {Denial} `claim_invalid`: a string that is no Unicode text
 */
export function joinedHeaderValue(value: JsonValue, delimiter: string): string | undefined {
  if (value === null) return undefined
  const elements: readonly JsonValue[] = Array.isArray(value) ? value : [value]
  if (elements.length === 0) return undefined
  const mark = markOf(delimiter)
  return textValue(elements.map(element => escapedElement(element, mark)).join(delimiter))
}

/** @returns whether {@link joinedHeaderValue} can undo it: printable ASCII outside the alphabet of percent-encoding */
export function isDelimiter(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text) && !/[%0-9A-Za-z]/.test(text)
}

/**
 * The empty string is written in the second way, too (`UTF-8''`): many servers cannot tell an empty header from none,
 * and a caller whose tenant is empty must not look like one without a tenant.
 */
function textValue(text: string): string {
  return plain.test(text) && !extPrefix.test(text) ? text : extValue(text)
}

function extValue(text: string): string {
  // RFC 7493 §2.1 forbids unpaired surrogates. Replacing them would merge callers whose names differ only there.
  if (!text.isWellFormed()) throw new Denial('claim_invalid', { evidence: { reason: 'unpaired surrogate' } })
  return `UTF-8''${encodeURIComponent(text).replace(/['()*]/g, percentEncoded)}`
}

/**
 * @returns the one character of the delimiter that is encoded inside elements. Where it stands, a delimiter
 * stands, so that `a,` joined by `,,` cannot be split in two ways. It is a blank only if there is nothing
 * else, since names are full of blanks.
 */
function markOf(delimiter: string): string {
  return (delimiter.trim() || ' ').charAt(0)
}

function escapedElement(element: JsonValue, mark: string): string {
  const text = typeof element === 'string' ? element : JSON.stringify(element)
  return text.replaceAll('%', percentEncoded).replaceAll(mark, percentEncoded)
}

function percentEncoded(ascii: string): string {
  return `%${ascii.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

function asciiJson(value: JsonValue): string {
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, unit => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
