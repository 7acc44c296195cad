/**
 * One file of a configuration, as it is read: the file that was started, or one that it includes.
 *
 * What the text must be is said here for both. Which values are right is not known here.
 */
import { dirname, resolve } from 'node:path'
import type { ReadFile } from '../check/file-judges.ts'
import type { Environment } from './environment.ts'
import { readSource, type Source } from './source.ts'

export interface ConfigFile {
  /** Problems print this name of the file. */
  readonly name: string
  /** Relative paths in the file begin at this folder. */
  readonly folder: string
  readonly text: string
  readonly source: Source
}

export function configFile(name: string, text: string, env: Environment): ConfigFile {
  const withoutMark = text.replace(/^\ufeff/, '')
  return { name, folder: dirname(resolve(name)), text: withoutMark, source: readSource(withoutMark, env) }
}

/** @throws {Error} the file cannot be read, or is no UTF-8; the `code` says which */
export function textOf(path: string, readFile: ReadFile): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFile(path))
}

/** Is true of a block of keys. */
export function isBlock(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
