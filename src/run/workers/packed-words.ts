/** Writes the entries of a table of revocations as text and reads it, for messages between processes of one machine. */
import type { Fingerprint } from '../../revocation/fingerprint.ts'
import { WORDS_PER_ENTRY } from '../../revocation/table.ts'

export function packedWords(words: Uint32Array): string {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('base64')
}

export function unpackedWords(text: string): Uint32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
  return new Uint32Array(bytes.buffer, 0, Math.floor(bytes.length / Uint32Array.BYTES_PER_ELEMENT))
}

export function fingerprintsIn(text: string): readonly Fingerprint[] {
  const words = unpackedWords(text)
  return Array.from({ length: words.length / WORDS_PER_ENTRY }, (_, entry): Fingerprint => {
    const [first = 0, second = 0, third = 0] = words.subarray(entry * WORDS_PER_ENTRY)
    return [first, second, third]
  })
}
