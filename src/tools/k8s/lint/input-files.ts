/**
 * Reads what `sallyport k8s lint -f` names: single files, standard input as `-`, and all manifests of a folder.
 *
 * Of a folder, `.yaml`, `.yml` and `.json` count, at any depth; folders that begin with a dot, and `node_modules`, do
 * not. A link to a folder is not followed, so that no circle is walked.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileFailureText } from '../../../lib/failure-text.ts'
import type { InputFile } from './documents.ts'

/** A file cannot be read; the message names it and the reason. */
export class UnreadableInput extends Error {
  override readonly name = 'UnreadableInput'
}

const STANDARD_INPUT = '-'
const MANIFEST = /\.(?:ya?ml|json)$/i

/** @throws {UnreadableInput} a path is not there, is no UTF-8, or a folder has no manifest */
export function inputFiles(paths: readonly string[]): readonly InputFile[] {
  const names = paths.flatMap(path => (path === STANDARD_INPUT ? [path] : filesAt(path)))
  return [...new Set(names)].map(name => ({
    name: name === STANDARD_INPUT ? 'stdin' : name,
    text: textOf(name),
  }))
}

function filesAt(path: string): readonly string[] {
  if (!attempt(path, () => statSync(path)).isDirectory()) return [path]
  const found = walk(path)
  if (found.length > 0) return found
  throw new UnreadableInput(`${path} has no manifest in it: no file ends in .yaml, .yml or .json`)
}

function walk(folder: string): readonly string[] {
  const entries = attempt(folder, () => readdirSync(folder, { withFileTypes: true }))
  return entries
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return entry.name.startsWith('.') || entry.name === 'node_modules' ? [] : walk(path)
      return MANIFEST.test(entry.name) && !isFolder(path) ? [path] : []
    })
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function textOf(name: string): string {
  const bytes = attempt(name, () => readFileSync(name === STANDARD_INPUT ? 0 : name))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new UnreadableInput(`${name === STANDARD_INPUT ? 'standard input' : name} is not UTF-8; save it as UTF-8`)
  }
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const name = path === STANDARD_INPUT ? 'standard input' : path
    throw new UnreadableInput(`${name} cannot be read: ${fileFailureText(error)}`)
  }
}
