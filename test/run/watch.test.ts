import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { areUnchanged, notedReads } from '../../src/config/read/file-contents.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { fileWatch } from '../../src/run/watch.ts'
import { manualTime } from '../support/manual-time.ts'

let folder: string
let watching: ReturnType<typeof fileWatch> | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-watch-'))
})
afterEach(() => {
  watching?.close()
  rmSync(folder, { recursive: true, force: true })
})
const unexpected = (where: string, reason: string): void => {
  throw new Error(`${where}: ${reason}`)
}

describe('without a word from the system', () => {
  test('files are looked at every 60 s', async () => {
    const time = manualTime()
    let stirs = 0
    const onChange = () => {
      stirs += 1
    }
    watching = fileWatch({ files: () => [], onChange, onUnwatchable: unexpected, scheduler: time })
    watching.follow()
    await time.advance(59_999)
    expect(stirs).toBe(0)
    await time.advance(1)
    expect(stirs).toBe(1)
    await time.advance(120_000)
    expect(stirs).toBe(3)
    watching.close()
    await time.advance(120_000)
    expect(stirs).toBe(3)
    expect(time.pendingMs()).toEqual([])
  })
})

describe('a folder', () => {
  /** Resolves with the next stir. */
  function stirsOf(files: readonly string[]): () => Promise<void> {
    let next = Promise.withResolvers<void>()
    const onChange = () => {
      next.resolve()
      next = Promise.withResolvers()
    }
    watching = fileWatch({ files: () => files, onChange, onUnwatchable: unexpected, scheduler: systemScheduler })
    return () => next.promise
  }

  test('that is new to us is looked into, for what happened before went unheard', async () => {
    const stir = stirsOf([join(folder, 'a')])
    watching?.follow()
    await stir()
  })

  test('that comes into being later is followed', async () => {
    const file = join(folder, 'later', 'still', 'a')
    const stir = stirsOf([file])
    watching?.follow()
    await stir()
    const made = stir()
    mkdirSync(join(folder, 'later', 'still'), { recursive: true })
    await made
    // It is new to us, and looked into.
    await stir()
    const written = stir()
    writeFileSync(file, 'x')
    await written
  })

  test('that is replaced by another of its name is followed', async () => {
    mkdirSync(join(folder, 'conf'))
    const stir = stirsOf([join(folder, 'conf', 'a')])
    watching?.follow()
    await stir()
    const moved = stir()
    renameSync(join(folder, 'conf'), join(folder, 'old'))
    mkdirSync(join(folder, 'conf'))
    await moved
    await stir()
    const written = stir()
    writeFileSync(join(folder, 'conf', 'a'), 'x')
    await written
  })
})

describe('the content of files', () => {
  test('decides whether they have changed; what cannot be read counts as content', () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    writeFileSync(a, 'x')
    const { readFile, contents } = notedReads()
    readFile(a)
    expect(() => readFile(b)).toThrow('ENOENT')
    expect([...contents.keys()]).toEqual([a, b])
    expect([...contents.values()].join()).not.toContain('x,')
    expect(areUnchanged(contents)).toBe(true)
    writeFileSync(a, 'x')
    expect(areUnchanged(contents)).toBe(true)
    writeFileSync(b, '')
    expect(areUnchanged(contents)).toBe(false)
    rmSync(b)
    expect(areUnchanged(contents)).toBe(true)
    writeFileSync(a, 'y')
    expect(areUnchanged(contents)).toBe(false)
  })

  test('of a descriptor that was handed over is read once and never again', () => {
    for (const path of ['/dev/stdin', '/dev/fd/63', '/proc/self/fd/0'])
      expect(areUnchanged(new Map([[path, 'a digest']]))).toBe(true)
  })

  test('of a pipe is not waited for: a file that has become one has changed', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(areUnchanged(new Map([[pipe, 'a digest']]))).toBe(false)
    const { readFile } = notedReads()
    expect(() => readFile(pipe)).toThrow('is a pipe; it must be a regular file')
  })
})
