/** The cache file of revocations: what it keeps, and what is not believed. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { readCacheFile, writeCacheFile } from '../../src/revocation/cache-file.ts'
import { type Revocations, revocations } from '../../src/revocation/revocations.ts'
import { atEnd } from '../support/at-end.ts'

const NOW_MS = Date.now()
const KEEP_MS = 3_600_000
const READ = { nowMs: NOW_MS, keepMs: KEEP_MS, remote: 'store' }
const ISSUER = 'https://auth.example.com/'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sallyport-cache-'))
  atEnd(() => rmSync(made, { recursive: true, force: true }))
  return made
}

function memory(): Revocations {
  const made = revocations({ clock: systemClock, scheduler: systemScheduler, onEvent() {}, onState() {} })
  made.configure({ entries: 1_000_000, maxStaleMs: undefined, fileEntries: [] })
  atEnd(made.close)
  return made
}

const subject = (value: string) => ({ issuer: ISSUER, kind: 'jti', value }) as const

function filled(count: number): Revocations {
  const made = memory()
  const until = Math.floor(NOW_MS / 1000) + 3600
  for (let index = 0; index < count; index++)
    made.apply({ ...subject(`token ${index}`), before: undefined, until, reason: 'a reason' }, 'api')
  return made
}

const TIMES = { writtenMs: NOW_MS - 1000, provedMs: NOW_MS - 2000 }
const HEAD = { ...TIMES, remote: 'store' }

async function written(count = 3): Promise<string> {
  const path = join(folder(), 'revocations')
  await writeCacheFile(path, HEAD, filled(count).packed())
  return path
}

describe('what was written is read', () => {
  test.each([0, 1, 3, 100_000])('%i entries', async count => {
    const path = await written(count)
    const found = readCacheFile(path, READ)
    if (found === undefined || 'refused' in found) throw new Error('it is not used')
    expect(found).toMatchObject(TIMES)
    const again = memory()
    again.applyPacked(found.words, 'cache')
    expect(again.status().entries.jti).toBe(count)
    for (let index = 0; index < count; index += 997) expect(again.inForce(subject(`token ${index}`))).toBeDefined()
    expect(again.inForce(subject(`token ${count}`))).toBeUndefined()
  })

  test('a proof that there never was, too', async () => {
    const path = join(folder(), 'revocations')
    await writeCacheFile(path, { ...HEAD, provedMs: undefined }, [])
    expect(readCacheFile(path, READ)).toMatchObject({ provedMs: undefined })
  })

  test('but a proof of another store counts for nothing', async () => {
    const path = await written()
    for (const remote of ['other', undefined])
      expect(readCacheFile(path, { ...READ, remote })).toMatchObject({
        writtenMs: TIMES.writtenMs,
        provedMs: undefined,
      })
  })

  test('and it has no names, is for its owner alone, and leaves nothing beside it', async () => {
    const path = await written()
    const text = readFileSync(path, 'latin1')
    for (const name of [ISSUER, 'token 1', 'a reason']) expect(text).not.toContain(name)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(path, '..'))).toEqual(['revocations'])
  })

  test('no file is no problem', () => {
    expect(readCacheFile(join(folder(), 'revocations'), READ)).toBeUndefined()
  })
})

describe('what is not used, and why', () => {
  test('a byte that was changed, wherever it stands', async () => {
    const path = await written()
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      writeFileSync(path, damaged)
      expect(readCacheFile(path, READ), `byte ${at}`).toEqual({ refused: expect.any(String) })
    }
  })

  test('a file that was cut off, wherever', async () => {
    const path = await written()
    const whole = readFileSync(path)
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length))
      expect(readCacheFile(path, READ), `${length} bytes`).toEqual({ refused: expect.any(String) })
    }
    writeFileSync(path, Buffer.concat([whole, whole]))
    expect(readCacheFile(path, READ)).toEqual({ refused: 'is damaged; the next change replaces it' })
  })

  test('another version', async () => {
    const path = await written()
    const whole = readFileSync(path)
    writeFileSync(path, Buffer.concat([Buffer.from('sallyport-revocations 2'), whole.subarray(23)]))
    expect(readCacheFile(path, READ)).toEqual({ refused: expect.stringContaining('was written by another version') })
  })

  test.each(['{}', 'jti: a\n', '\n', 'sallyport-revocations', 'x'.repeat(1000)])('something else: %j', text => {
    const path = join(folder(), 'revocations')
    writeFileSync(path, text, { mode: 0o600 })
    expect(readCacheFile(path, READ)).toEqual({ refused: expect.stringContaining('is no cache of revocations') })
  })

  test('a file that is older than entries are kept', async () => {
    const path = await written()
    expect(readCacheFile(path, { ...READ, keepMs: 1000 })).toMatchObject(TIMES)
    expect(readCacheFile(path, { ...READ, keepMs: 999 })).toEqual({
      refused: 'is older than `revocation.keep`; the next change replaces it',
    })
  })

  test('a file that others may write, a link, and a folder', async () => {
    const path = await written()
    symlinkSync(path, `${path}.link`)
    expect(readCacheFile(`${path}.link`, READ)).toEqual({ refused: 'is a link; it must be a regular file' })
    chmodSync(path, 0o666)
    expect(readCacheFile(path, READ)).toEqual({ refused: expect.stringContaining('chmod go-w') })
    expect(readCacheFile(folder(), READ)).toEqual({ refused: 'is a folder; it must be a regular file' })
  })
})

test('a write that fails leaves the old file as it is, and nothing beside it', async () => {
  const path = await written()
  const before = readFileSync(path)
  const failing = (function* () {
    yield new Uint32Array(5)
    throw new Error('no more')
  })()
  await expect(writeCacheFile(path, HEAD, failing)).rejects.toThrow('no more')
  expect(readFileSync(path)).toEqual(before)
  expect(readdirSync(join(path, '..'))).toEqual(['revocations'])
  await expect(writeCacheFile(join(folder(), 'gone', 'x'), HEAD, [])).rejects.toMatchObject({ code: 'ENOENT' })
  expect(existsSync(path)).toBe(true)
})
