/**
 * Reads the grammar of `X-Forwarded-Client-Cert`: elements between commas, of pairs between semicolons, with values
 * that are quoted where they hold one of these.
 *
 * No standard describes it; Envoy's documents do (HTTP header manipulation). Envoy writes the subject as OpenSSL prints
 * it (RFC 2253), so in quotes a backslash takes the next character with it, whichever it is: by any other rule the
 * subject of a certificate could end its own quotes. What the keys mean is not judged here.
 *
 * Attack: a client opens quotes that it does not close, before an element that a proxy appends. The first quotes of
 * that element would close them, and hide it. So quotes that hold what begins an element, or a pair, are refused.
 */

interface CertificatePair {
  /** It is in lower case. */
  readonly key: string
  /** It is without its quotes. */
  readonly value: string
}

export type CertificateElement = readonly CertificatePair[]

/**
 * A pair and the blanks around it. Each quantifier ends at a character that it does not take itself, so that no input
 * is read twice.
 */
const PAIR = /[ \t]*([A-Za-z]+)=(?:"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*|([^",;]*))/y
const ESCAPED = /\\(.)/g
const HIDDEN_PAIR = /(?<!\\)(?:\\\\)*[,;][ \t]*(?:by|hash|cert|chain|subject|uri|dns)=/i

/**
 * @param value that of the header, with all proxies' elements, the farthest first
 * @returns the elements in their order; none for an empty value, and undefined for what is no list of elements
 */
export function certificateElements(value: string): readonly CertificateElement[] | undefined {
  if (value === '') return []
  const elements: CertificateElement[] = []
  let pairs: CertificatePair[] = []
  PAIR.lastIndex = 0
  for (;;) {
    const [, key, quoted, plain = ''] = PAIR.exec(value) ?? []
    if (key === undefined) return undefined
    if (quoted !== undefined && HIDDEN_PAIR.test(quoted)) return undefined
    pairs.push({ key: key.toLowerCase(), value: quoted?.replace(ESCAPED, '$1') ?? plain.trimEnd() })
    const end = value[PAIR.lastIndex]
    if (end !== undefined && end !== ';' && end !== ',') return undefined
    PAIR.lastIndex += 1
    if (end === ';') continue
    elements.push(pairs)
    if (end === undefined) return elements
    pairs = []
  }
}
