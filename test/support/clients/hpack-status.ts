/**
 * Reads the status of a response head, which servers put first, and nothing else of it.
 *
 * RFC 7541 §6 (representations), Appendix A (static table), Appendix B (Huffman code). It knows no dynamic table, so
 * the client must have asked for one of size 0.
 */

/** Where the statuses begin in the static table, and which they are. */
const FIRST_STATUS = 8
const INDEXED_STATUSES = [200, 204, 206, 304, 400, 404, 500]

/** @returns undefined for trailers */
export function headStatus(block: Buffer): number | undefined {
  let at = 0
  // The block may begin with updates of the table's size.
  while (((block[at] ?? 0) & 0xe0) === 0x20) at++
  const first = block[at] ?? 0
  if (first >= 0x80) return INDEXED_STATUSES[(first & 0x7f) - FIRST_STATUS]
  const nameAt = (first & 0x40) === 0 ? first & 0x0f : first & 0x3f
  if (nameAt < FIRST_STATUS || nameAt >= FIRST_STATUS + INDEXED_STATUSES.length) return undefined
  const length = block[at + 1] ?? 0
  const value = block.subarray(at + 2, at + 2 + (length & 0x7f))
  return Number((length & 0x80) === 0 ? value.toString('latin1') : unpackedDigits(value))
}

/** `0` to `2` have five bits, which are their value; the other digits have six. */
function unpackedDigits(bytes: Buffer): string {
  let bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  let text = ''
  while (text.length < 3) {
    const short = Number.parseInt(bits.slice(0, 5), 2)
    const isShort = short <= 2
    text += isShort ? short : Number.parseInt(bits.slice(0, 6), 2) - 0b011001 + 3
    bits = bits.slice(isShort ? 5 : 6)
  }
  return text
}
