/** Reads published test vectors. They lie beside the repository and are no part of it, with licences of their own. */
import { existsSync, readFileSync } from 'node:fs'

const ROOT = new URL('../../../shared/vectors/', import.meta.url)

/** Tests on vectors run or not by this: a build server without them must fail, a laptop without them may go on. */
export const haveVectors = existsSync(ROOT) || process.env.CI !== undefined

/** @throws {Error} the file is not there */
export function vectors(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, ROOT), 'utf8'))
}
