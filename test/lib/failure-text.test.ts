/** Failures of files are told in words, with the code behind them, wherever a file is read or written. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfigFile } from '../../src/config/read/load.ts'
import { connectionFailureText } from '../../src/lib/connection-failure.ts'
import { fileFailureText } from '../../src/lib/failure-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-failures-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'file'), '')
symlinkSync('circle', join(folder, 'circle'))

describe('a file that cannot be read', () => {
  test.each([
    ['absent', 'there is no such file or folder (ENOENT)'],
    ['file/below', 'a part of its path is no folder (ENOTDIR)'],
    ['circle', 'its links lead in a circle, or are too many (ELOOP)'],
    ['x'.repeat(300), 'its path is too long (ENAMETOOLONG)'],
    ['nu\0ll', 'its path has a character that no path can have (ERR_INVALID_ARG_VALUE)'],
  ])('is told in words as a configuration: %s', (name, words) => {
    const file = join(folder, name)
    expect(() => loadConfigFile(file, {})).toThrow(`the file cannot be read: ${words}; check the path`)
  })

  test('that is a folder is told as such, with or without a code', () => {
    expect(() => loadConfigFile(folder, {})).toThrow('the file is a folder; it must be a regular file')
    expect(failureOf(() => readFileSync(folder))).toBe('it is a folder (EISDIR)')
  })
})

test.each([
  ['EACCES', 'this user may not (EACCES)'],
  ['EPERM', 'this user may not (EPERM)'],
  ['EMFILE', 'too many files are open (EMFILE)'],
  ['ENOSPC', 'there is no space left (ENOSPC)'],
  ['EROFS', 'its file system can only be read (EROFS)'],
  ['EODD', 'EODD'],
  ['constructor', 'constructor'],
])('%s is told as %s', (code, words) => {
  expect(fileFailureText(Object.assign(new Error('x'), { code }))).toBe(words)
})

test('what has no code has no reason, and one code means another thing of a connection', () => {
  expect(fileFailureText(new Error('x'))).toBe('for an unknown reason')
  expect(fileFailureText('x')).toBe('for an unknown reason')
  expect(connectionFailureText(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(
    'there is no such socket (ENOENT)',
  )
})

function failureOf(task: () => unknown): string | undefined {
  try {
    task()
    return undefined
  } catch (error) {
    return fileFailureText(error)
  }
}
