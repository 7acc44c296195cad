/** Says what judges of files are given, and holds those that several kinds of files need (RFC 7468 §5, PEM). */
import { X509Certificate } from 'node:crypto'
import type { Finding, Path } from './findings.ts'

/** Returns the content of a file. @throws {Error} it cannot be read; the `code` says why */
export type ReadFile = (path: string) => Buffer

/** @param read reads another file that belongs to this one */
export type Judge = (content: Buffer, read: ReadFile) => string | undefined

/** Judges a file that is named at a path; undefined for one that is not named. */
export type Check = (path: Path, file: string | undefined, judge: Judge) => readonly Finding[]

export function certificateProblem(content: Buffer): string | undefined {
  const blocks = content.toString().match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return 'holds no PEM certificate (`-----BEGIN CERTIFICATE-----`)'
  try {
    for (const block of blocks) new X509Certificate(block)
    return undefined
  } catch {
    return 'holds a PEM certificate that cannot be read'
  }
}

/** @returns undefined for what cannot be made */
export function readable<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
