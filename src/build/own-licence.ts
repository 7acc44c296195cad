/**
 * Makes the licence file of a build: the notice in `LICENSE`, followed by the text of the Apache
 * License 2.0 that it names.
 *
 * Apache-2.0 §4(a): whoever passes on the software gives its recipients a copy of the license. The repository holds the
 * notice only, so the text comes from a dependency whose licence file is that text and nothing else.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A development dependency under Apache-2.0. It leaves the copyright line of the appendix blank. */
const SOURCE = 'node_modules/@grpc/grpc-js/LICENSE'

/** The title is at the head, and the last line of the terms is there. */
const WHOLE_TEXT = /^\s*Apache License\s+Version 2\.0, January 2004\s[\s\S]*\n\s*END OF TERMS AND CONDITIONS\s/

/**
 * @param root folder of the project, with its `node_modules`
 * @throws {Error} the text cannot be found, or the file holds another one
 */
export function ownLicence(root: string): string {
  const notice = readFileSync(join(root, 'LICENSE'), 'utf8')
  return `${notice}\n${'-'.repeat(80)}\n\n${apacheLicense(root)}`
}

function apacheLicense(root: string): string {
  const text = textOf(join(root, SOURCE))
  if (text !== undefined && WHOLE_TEXT.test(text)) return text
  const found = text === undefined ? 'is missing or cannot be read; run `npm ci`' : 'holds another text'
  throw new Error(
    `The build needs the text of the Apache License 2.0, and ${SOURCE} ${found}. ` +
      'If that package has left or changed its licence, name another one in src/build/own-licence.ts.',
  )
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
