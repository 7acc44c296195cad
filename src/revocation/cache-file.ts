/**
 * Keeps on disk what is revoked, so that a restart while the store is away still refuses it.
 *
 * The file has one line with the version of its form, the order of its bytes, when it was written, when the store last
 * proved that nothing is missing, and which store that was. Then come the entries as they are in memory (fingerprints
 * and times, no names), and a SHA-256 of all that. It is written beside the old one and renamed, so that a crash leaves
 * the old one or the new one. A file that somebody else could have written is not read, and neither is a link: this
 * process makes none.
 */
import { createHash } from 'node:crypto'
import { endianness } from 'node:os'
import { writeAtomically } from '../lib/atomic-file.ts'
import { codeOf, fileFailureText } from '../lib/failure-text.ts'
import { readTrustedFile, UntrustedFile } from '../lib/trusted-file.ts'
import { WORDS_PER_ENTRY } from './table.ts'

/** Times are milliseconds since the epoch. */
interface CacheHead {
  readonly writtenMs: number
  /** The last proof that nothing is missing; undefined where there was none, or no store. */
  readonly provedMs: number | undefined
  /** The store that has proved it, in any words; only a digest of them is written. */
  readonly remote: string | undefined
}

interface CachedRevocations extends Pick<CacheHead, 'writtenMs' | 'provedMs'> {
  /** Five numbers an entry, as `table.ts` packs them. */
  readonly words: Uint32Array
}

/** Why a file is not used. It continues a sentence about the file, and says what to do. */
interface CacheRefusal {
  readonly refused: string
}

interface ReadOptions {
  readonly nowMs: number
  /** Files that were written longer ago are not used: an entry in them may have been undone since. */
  readonly keepMs: number
  /** The proofs of another store do not count. */
  readonly remote: string | undefined
}

const NAME = 'sallyport-revocations'
const VERSION = '1'
const BYTES_PER_ENTRY = WORDS_PER_ENTRY * Uint32Array.BYTES_PER_ELEMENT
const DIGEST_BYTES = 32
const LONGEST_HEAD = 128
/** No configuration allows more entries than this file has place for. */
const MOST_BYTES = 20_000_000 * BYTES_PER_ENTRY + LONGEST_HEAD + DIGEST_BYTES
/** So much is written at a time, since each piece holds up the event loop while it is hashed. */
const PIECE_BYTES = 64 * 1024
const REPLACED = 'the next change replaces it'

/** @returns undefined when there is no file yet */
export function readCacheFile(path: string, options: ReadOptions): CachedRevocations | CacheRefusal | undefined {
  try {
    return parsed(readTrustedFile(path, { links: 'refused', mostBytes: MOST_BYTES }), options)
  } catch (error) {
    if (error instanceof UntrustedFile) return { refused: error.message }
    return codeOf(error) === 'ENOENT' ? undefined : { refused: `cannot be read: ${fileFailureText(error)}` }
  }
}

function parsed(content: Buffer, { nowMs, keepMs, remote }: ReadOptions): CachedRevocations | CacheRefusal {
  const end = content.subarray(0, LONGEST_HEAD).indexOf('\n')
  const head = content.subarray(0, Math.max(end, 0)).toString('latin1')
  const [name, version, order, written, proved, by] = head.split(' ')
  if (name !== NAME)
    return { refused: `is no cache of revocations; name another file as \`revocation.cacheFile\`, else ${REPLACED}` }
  if (version !== VERSION || order !== endianness())
    return { refused: `was written by another version, or on another kind of machine; ${REPLACED}` }
  const body = content.subarray(end + 1, -DIGEST_BYTES)
  const digest = createHash('sha256').update(content.subarray(0, -DIGEST_BYTES)).digest()
  if (body.length % BYTES_PER_ENTRY !== 0 || !digest.equals(content.subarray(-DIGEST_BYTES)))
    return { refused: `is damaged; ${REPLACED}` }
  const isProved = proved !== '-' && by === remoteText(remote)
  const times = { writtenMs: Number(written), provedMs: isProved ? Number(proved) : undefined }
  if (nowMs - times.writtenMs > keepMs) return { refused: `is older than \`revocation.keep\`; ${REPLACED}` }
  // The numbers in the file need not stand where numbers may stand in memory.
  const words = new Uint32Array(body.length / Uint32Array.BYTES_PER_ELEMENT)
  new Uint8Array(words.buffer).set(body)
  return { ...times, words }
}

/** @throws {Error} it cannot be written; the old file is as it was */
export function writeCacheFile(path: string, head: CacheHead, parts: Iterable<Uint32Array>): Promise<void> {
  return writeAtomically(path, async file => {
    const hash = createHash('sha256')
    const write = async (bytes: Buffer): Promise<void> => {
      hash.update(bytes)
      await file.writeFile(bytes)
    }
    const { writtenMs, provedMs = '-', remote } = head
    const line = [NAME, VERSION, endianness(), writtenMs, provedMs, remoteText(remote)].join(' ')
    await write(Buffer.from(`${line}\n`))
    for (const piece of pieces(parts)) await write(piece)
    await file.writeFile(hash.digest())
  })
}

function remoteText(remote: string | undefined): string {
  return remote === undefined ? '-' : createHash('sha256').update(remote).digest('hex').slice(0, 16)
}

/** Joins parts that are small. */
function* pieces(parts: Iterable<Uint32Array>): Generator<Buffer> {
  let waiting: Buffer[] = []
  let bytes = 0
  for (const { buffer, byteOffset, byteLength } of parts) {
    waiting.push(Buffer.from(buffer, byteOffset, byteLength))
    bytes += byteLength
    if (bytes < PIECE_BYTES) continue
    yield Buffer.concat(waiting)
    waiting = []
    bytes = 0
  }
  yield Buffer.concat(waiting)
}
