/**
 * Notes what files held when they were read, as digests, so that it can be told later whether one has changed.
 *
 * Content decides, not the time of a change: Kubernetes swaps links, editors rewrite what is the same. Nothing but a
 * digest is kept of a file, and a file that could not be read counts as one that held the reason.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { ReadFile } from '../check/check-files.ts'

/** Absolute path → digest of its content, or why it cannot be read. */
export type FileContents = ReadonlyMap<string, string>

export interface NotedReads {
  /** Reads from disk and takes a note. @throws {Error} it cannot be read; noted, too */
  readonly readFile: ReadFile
  readonly contents: FileContents
}

export function notedReads(): NotedReads {
  const contents = new Map<string, string>()
  return {
    contents,
    readFile(path) {
      try {
        const content = readFileSync(path)
        contents.set(path, createHash('sha256').update(content).digest('hex'))
        return content
      } catch (error) {
        contents.set(path, error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason')
        throw error
      }
    },
  }
}

/** True when each of the files still holds what it did. */
export function areUnchanged(noted: FileContents): boolean {
  const { readFile, contents } = notedReads()
  for (const [path, content] of noted) {
    if (isReadOnce(path)) continue
    try {
      readFile(path)
    } catch {
      // The reason is noted and compared like content.
    }
    if (contents.get(path) !== content) return false
  }
  return true
}

/** A pipe (`-c <(…)`, `/dev/stdin`) has nothing to say a second time, and asking it may take for ever. */
function isReadOnce(path: string): boolean {
  try {
    const stats = statSync(path)
    return stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket()
  } catch {
    return false
  }
}
