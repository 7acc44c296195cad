/**
 * Adds whole lines to a file that several processes add to, and that others rename, remove or make anew.
 *
 * Who may have written the file is judged as `trusted-file.ts` does it: it has to be of the user of this process or of
 * root, and neither its group nor others may write it, since they could change what stands there. A link is refused:
 * whoever may write the folder could let it lead to a file of this user that means something else. Folders are not
 * judged, because everybody may write those that Kubernetes makes (`emptyDir`).
 *
 * A file is opened to be added to (`O_APPEND`), so that each write lands behind all others. A write ends early only
 * when there is no more space, or when the process is killed. Of a line that is cut, the rest follows if nothing else
 * has come; else it is ended, and written once more. So no line has a part of another one in it.
 */
import { accessSync, constants, lstatSync, type Stats, writeSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, fileFailureText } from './failure-text.ts'
import { kindOf, modeProblem, ownerProblem, UntrustedFile } from './trusted-file.ts'

/** Lines that are to be written. Whoever has made it hands it on until it is done. */
export interface LineBatch {
  readonly bytes: Buffer
  /** Where the first line begins that does not stand in the file in full. */
  done: number
}

const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, R_OK, W_OK, X_OK } = constants
/** The end of a file is read, so it is opened for both. A pipe is opened without waiting, and then refused. */
const FLAGS = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
const OWN_MODE = 0o600
const LINE_END = 0x0a
const LINE_END_BYTES = Buffer.from('\n')
/** A write of another process shows its beginning while it is under way: for some 50 µs, as long as a look takes. */
const LOOKS = 20

/** Says why lines could not be added, as things are now, and makes no file. It continues a sentence about the path. */
export function lineFileProblem(path: string): string | undefined {
  let stats: Stats | undefined
  try {
    stats = lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    return unwritable('', error)
  }
  if (stats === undefined) return accessProblem(dirname(path), 'is in a folder that', W_OK | X_OK)
  return statsProblem(stats) ?? accessProblem(path, '', R_OK | W_OK)
}

function accessProblem(path: string, what: string, mode: number): string | undefined {
  try {
    accessSync(path, mode)
    return undefined
  } catch (error) {
    return unwritable(what, error)
  }
}

function unwritable(what: string, error: unknown): string {
  const remedy =
    codeOf(error) === 'ENOENT' ? 'make the folder' : 'name another, or let the user who runs the gateway write there'
  return `${what} cannot be written: ${fileFailureText(error)}; ${remedy}`.trimStart()
}

function statsProblem(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return IS_LINK
  if (stats.isDirectory()) return 'is a folder; name a file in it'
  // A device keeps nothing that somebody could change.
  if (stats.isCharacterDevice()) return undefined
  if (!stats.isFile()) return `is ${kindOf(stats)}; name a regular file`
  return ownerProblem(stats) ?? modeProblem(stats)
}

const IS_LINK =
  'is a link, which could lead to any file; name the file that it leads to, or write `stdout` for /dev/stdout'

/** Opens the file, or makes one that nobody else may read. @throws {Error} lines cannot be added to it */
export async function openLineFile(path: string): Promise<LineFile> {
  const handle = await open(path, FLAGS, OWN_MODE).catch(error => {
    throw codeOf(error) === 'ELOOP' ? new UntrustedFile(IS_LINK) : error
  })
  try {
    const stats = await handle.stat()
    const problem = statsProblem(stats)
    if (problem !== undefined) throw new UntrustedFile(problem)
    return new LineFile(path, handle, stats)
  } catch (error) {
    await handle.close()
    throw error
  }
}

export class LineFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #stats: Stats
  /** Where the bytes go on of a line that was cut, and the size of the file since. */
  #cut: { readonly at: number; readonly size: number } | undefined

  constructor(path: string, handle: FileHandle, stats: Stats) {
    this.#path = path
    this.#handle = handle
    this.#stats = stats
  }

  /** @throws {Error} not all could be written; the batch says from where to go on */
  async append(batch: LineBatch): Promise<void> {
    const { bytes } = batch
    while (batch.done < bytes.length) {
      const from = await this.#next(batch)
      const { bytesWritten } = await this.#handle.write(bytes, from, bytes.length - from, null)
      const at = from + bytesWritten
      batch.done = at === 0 ? 0 : bytes.lastIndexOf(LINE_END, at - 1) + 1
      this.#cut = at === batch.done ? undefined : { at, size: (await this.#handle.stat()).size }
    }
  }

  /** Does the same at once, for a process that is about to end. */
  appendNow({ bytes, done }: LineBatch): void {
    writeSync(this.#handle.fd, bytes, done, bytes.length - done, null)
  }

  /** Is true when the path leads to another file by now, or to none. */
  async isMoved(): Promise<boolean> {
    try {
      const { dev, ino } = await stat(this.#path)
      return dev !== this.#stats.dev || ino !== this.#stats.ino
    } catch {
      return true
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /** @returns from where on the batch is to be written; a line of somebody else that was cut is ended before */
  async #next({ done }: LineBatch): Promise<number> {
    if (!this.#stats.isFile()) return done
    const { size } = await this.#handle.stat()
    if (this.#cut?.size === size) return this.#cut.at
    this.#cut = undefined
    if (await this.#isCutAt(size)) await this.#handle.write(LINE_END_BYTES, 0, 1, null)
    return done
  }

  /** A process that was killed while it wrote has left a part of a line, to which nothing more comes. */
  async #isCutAt(size: number): Promise<boolean> {
    if (await this.#endsLine(size)) return false
    for (let look = 0; look < LOOKS; look++) {
      if ((await this.#handle.stat()).size !== size) return false
    }
    return true
  }

  async #endsLine(size: number): Promise<boolean> {
    if (size === 0) return true
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(1), 0, 1, size - 1)
    return bytesRead === 0 || buffer[0] === LINE_END
  }
}
