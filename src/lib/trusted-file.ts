/**
 * Reads a file that decides whom the gateway trusts, if nobody but the operator can have written it.
 *
 * It has to be a regular file, of the user of this process or of root, that neither its group nor others may write.
 * Links are followed and their target is judged, because Kubernetes puts its files behind links. What is judged is what
 * is read: both happen on one open descriptor. A FIFO or a device is refused before anything waits for it.
 *
 * It asks the process for its user. It does not judge folders: whoever may write a folder can put a file of their own
 * there, and that is refused as theirs. Where there are no users (Windows), only the kind of the file counts.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs'
import { fileFailureText } from './failure-text.ts'

/** A file is not what may be read. The message continues a sentence about it: `can be written by others (…)`. */
export class UntrustedFile extends Error {
  override readonly name = 'UntrustedFile'
  readonly code = 'ERR_UNTRUSTED_FILE'
}

interface TrustedFileOptions {
  /** By default links are followed. */
  readonly links?: 'followed' | 'refused'
  readonly mostBytes?: number
}

type Judge = (stats: Stats) => string | undefined

/** @throws {UntrustedFile} others may have written it @throws {Error} it cannot be read; the `code` says why */
export function readTrustedFile(path: string, options: TrustedFileOptions = {}): Buffer {
  return readJudged(path, options, stats => kindProblem(stats) ?? ownerProblem(stats) ?? modeProblem(stats))
}

/** Reads what a tool only looks at. @throws {UntrustedFile} it is no regular file @throws {Error} it cannot be read */
export function readRegularFile(path: string): Buffer {
  return readJudged(path, {}, kindProblem)
}

/** Continues a sentence about a file: why nobody who trusts it may read it, if others may write it. */
export function writersProblem(path: string): string | undefined {
  return modeProblem(statSync(path))
}

/** Continues a sentence about a file: why it could not be read, without its path. */
export function unreadableText(error: unknown): string {
  if (error instanceof UntrustedFile) return error.message
  return `cannot be read: ${fileFailureText(error)}`
}

function readJudged(path: string, { links, mostBytes = Number.POSITIVE_INFINITY }: TrustedFileOptions, judge: Judge) {
  const isFollowed = links !== 'refused'
  // To open a device may have an effect, so it is looked at before.
  refuse(judge((isFollowed ? statSync : lstatSync)(path)))
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants
  const descriptor = openSync(path, O_RDONLY | O_NONBLOCK | (isFollowed ? 0 : O_NOFOLLOW))
  try {
    const stats = fstatSync(descriptor)
    refuse(judge(stats))
    if (stats.size > mostBytes) throw new UntrustedFile(`is larger than ${mostBytes} bytes`)
    return readFileSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new UntrustedFile(problem)
}

function kindProblem(stats: Stats): string | undefined {
  if (stats.isFile()) return undefined
  return `is ${kindOf(stats)}; it must be a regular file`
}

/** Names what a path leads to: `a folder`. */
export function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a link'
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  return stats.isSocket() ? 'a socket' : 'a device'
}

/** Continues a sentence about a file: why its owner could change it. */
export function ownerProblem({ uid }: Stats): string | undefined {
  const own = process.geteuid?.()
  if (own === undefined || uid === own || uid === 0) return undefined
  return `belongs to user ${uid}, who could change it; it must belong to user ${own}, who runs this, or to root`
}

/** Continues a sentence about a file: who else may write it. */
export function modeProblem({ mode }: Stats): string | undefined {
  if (process.geteuid === undefined || (mode & OTHERS_WRITE) === 0) return undefined
  const octal = (mode & 0o7777).toString(8).padStart(4, '0')
  return `can be written by others (mode ${octal}); take that away with \`chmod go-w\``
}

const OTHERS_WRITE = 0o022
