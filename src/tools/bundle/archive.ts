/**
 * Packs a few small files into one, which `tar -xzf` unpacks.
 *
 * POSIX.1-1988 `ustar` (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange
 * Format"), RFC 1952. Names have at most 100 bytes, and there is nothing but files: no links, folders or long names.
 */
import { gzipSync } from 'node:zlib'

export interface PackedFile {
  readonly name: string
  readonly content: Buffer
}

const BLOCK = 512

/** Packs the files in their order. What is packed depends on nothing else. @param atSeconds the time that all have */
export function packed(files: readonly PackedFile[], atSeconds: number): Buffer {
  const blocks = files.flatMap(file => [head(file, atSeconds), padded(file.content)])
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]))
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)])
}

function head({ name, content }: PackedFile, atSeconds: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new RangeError(`${name} is too long a name for the archive`)
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, bytes: number): void =>
    void block.write(value.toString(8).padStart(bytes - 1, '0'), at)
  block.write(name, 0)
  octal(0o600, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(content.length, 124, 12)
  octal(atSeconds, 136, 12)
  // The sum is made with blanks in its own place.
  block.write('        ', 148)
  block.write('0', 156)
  block.write('ustar\0' + '00', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
