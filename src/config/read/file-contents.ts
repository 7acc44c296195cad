/**
 * Notes what files held when they were read, as digests, so that it can be told later whether one has changed.
 *
 * The content of a file decides rather than the time of its last change, since Kubernetes swaps links and editors write
 * the same text again. Nothing but a digest is kept of a file. For a file that cannot be read, the reason is noted.
 */
import { createHash } from 'node:crypto'
import type { ReadFile } from '../check/file-judges.ts'
import { isHandedOver, readOwnFile } from './own-file.ts'

/** Maps the absolute path of a file to the digest of its content, or to the reason why it cannot be read. */
export type FileContents = ReadonlyMap<string, string>

interface NotedReads {
  /** Reads a file and takes a note. @throws {Error} it cannot be read, which is noted, too */
  readonly readFile: ReadFile
  readonly contents: FileContents
}

/** @param read by default as a gateway does, which takes nothing that others may have written */
export function notedReads(read: ReadFile = readOwnFile): NotedReads {
  const contents = new Map<string, string>()
  return {
    contents,
    readFile(path) {
      try {
        const content = read(path)
        contents.set(path, createHash('sha256').update(content).digest('hex'))
        return content
      } catch (error) {
        contents.set(path, error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason')
        throw error
      }
    },
  }
}

/** Is true when each of the files still holds what it did. @param read as for {@link notedReads} */
export function areUnchanged(noted: FileContents, read?: ReadFile): boolean {
  const { readFile, contents } = notedReads(read)
  for (const [path, content] of noted) {
    // What was handed over can be read once only, and trying it again may take for ever.
    if (isHandedOver(path)) continue
    try {
      readFile(path)
    } catch {
      // The reason is noted and compared like content.
    }
    if (contents.get(path) !== content) return false
  }
  return true
}
