/** The licence file of a build: the text is the Apache License 2.0, word for word, or there is no build. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownLicence } from '../../src/build/own-licence.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/**
 * Of https://www.apache.org/licenses/LICENSE-2.0.txt up to the end of its terms, each run of white space as one blank.
 */
const TERMS_SHA256 = '59d8f0ba87ad9a2f1a431123c8d16646e5b89ba53653e818f16d136d77263c99'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-licence-'))
  writeFileSync(join(folder, 'LICENSE'), 'A notice\n')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function installed(text: string): void {
  const file = join(folder, 'node_modules/@grpc/grpc-js/LICENSE')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

test('the terms are those that the Apache Software Foundation publishes', () => {
  const [terms] = /Apache License\s+Version 2\.0[\s\S]*END OF TERMS AND CONDITIONS/.exec(ownLicence(ROOT)) ?? ['']
  expect(createHash('sha256').update(terms.replaceAll(/\s+/g, ' ')).digest('hex')).toBe(TERMS_SHA256)
})

test('the notice comes first, and names the licence that package.json names', () => {
  const { license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  expect(ownLicence(ROOT)).toMatch(new RegExp(`^SPDX-License-Identifier: ${license}\n`))
})

test('without the package there is no build, and the error says what to do', () => {
  expect(() => ownLicence(folder)).toThrow(
    /node_modules\/@grpc\/grpc-js\/LICENSE is missing or cannot be read; run `npm ci`/,
  )
})

test.each([
  ['empty', ''],
  ['of another licence', 'MIT License\n'],
  ['cut off', 'Apache License\nVersion 2.0, January 2004\n1. Definitions.\n'],
  ['a notice only', 'Licensed under the Apache License, Version 2.0\n'],
])('nor with a file that is %s', (_, text) => {
  installed(text)
  expect(() => ownLicence(folder)).toThrow(/grpc-js\/LICENSE holds another text/)
})
