/**
 * Reads the grammar of `X-Forwarded-Client-Cert`: elements between commas, of pairs between semicolons, with values that
 * are quoted where they hold one of these.
 *
 * No standard describes it; Envoy's documents do (HTTP header manipulation). Envoy writes the subject as OpenSSL prints
 * it (RFC 2253), so in quotes a backslash takes the next character with it, whichever it is: by any other rule the
 * subject of a certificate could end its own quotes. Which keys there are is not judged here.
 */

/** The pairs of an element. The keys are in lower case, and the values without their quotes. */
export type CertificateElement = ReadonlyArray<readonly [key: string, value: string]>

/** @returns undefined for what is no list of elements; an empty value has none */
export function certificateElements(value: string): readonly CertificateElement[] | undefined {
  if (value === '') return []
  const elements: CertificateElement[] = []
  let pairs: Array<readonly [string, string]> = []
  PAIR.lastIndex = 0
  while (PAIR.lastIndex < value.length) {
    const [whole, key, plain, quoted] = PAIR.exec(value) ?? []
    if (whole === undefined || key === undefined) return undefined
    pairs.push([key.toLowerCase(), quoted === undefined ? (plain ?? '').trimEnd() : quoted.replace(ESCAPED, '$1')])
    const end = value[PAIR.lastIndex]
    if (end === ';' || end === ',') {
      PAIR.lastIndex += 1
      // Nothing follows: a separator at the end stands before an element that is missing.
      if (PAIR.lastIndex === value.length) return undefined
      if (end === ';') continue
    } else if (end !== undefined) return undefined
    elements.push(pairs)
    pairs = []
  }
  return elements
}

/**
 * A pair, and the blanks around it. Its end is looked for by whoever uses it. The quantifiers exclude each other, so
 * that no input takes more than one pass.
 */
const PAIR = /[ \t]*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"[ \t]*|([^",;]*))/y
const ESCAPED = /\\(.)/g
