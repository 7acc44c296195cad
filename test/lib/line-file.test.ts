/** Lines of several writers on a real file, whatever cuts a write short and whoever made the file. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LineBatch, type LineFile, lineFileProblem, openLineFile } from '../../src/lib/line-file.ts'

let folder: string
let named = 0
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-lines-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const newPath = (): string => join(folder, `file-${named++}.jsonl`)

function batchOf(...lines: readonly string[]): LineBatch {
  return { bytes: Buffer.from(lines.map(line => `${line}\n`).join('')), done: 0 }
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1)
}

describe('several writers', () => {
  test('never mix their lines', async () => {
    const path = newPath()
    const writers = await Promise.all(Array.from({ length: 4 }, () => openLineFile(path)))
    const line = (writer: number, at: number) => JSON.stringify({ writer, at, rest: 'x'.repeat((at * 37) % 900) })
    await Promise.all(
      writers.map(async (file, writer) => {
        for (let round = 0; round < 20; round++)
          await file.append(batchOf(...Array.from({ length: 100 }, (_, at) => line(writer, round * 100 + at))))
        await file.close()
      }),
    )
    const found = linesOf(path).map(text => JSON.parse(text) as { writer: number; at: number })
    expect(found).toHaveLength(8_000)
    for (const [writer] of writers.entries())
      expect(found.filter(each => each.writer === writer).map(({ at }) => at)).toEqual([...Array(2_000).keys()])
  })

  test('end a line that somebody was killed over', async () => {
    const path = newPath()
    const file = await openLineFile(path)
    await file.append(batchOf('{"a":1}'))
    appendFileSync(path, '{"b":')
    await file.append(batchOf('{"c":1}'))
    await file.close()
    expect(linesOf(path)).toEqual(['{"a":1}', '{"b":', '{"c":1}'])
  })
})

describe.runIf(process.platform === 'linux')('a file that takes no more', () => {
  /** A limit of this process stands for a disk that is full: both cut a write and then refuse. */
  function limitFiles(bytes: string): void {
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
  }

  async function fails(file: LineFile, batch: LineBatch): Promise<void> {
    limitFiles('20')
    try {
      await expect(file.append(batch)).rejects.toMatchObject({ code: 'EFBIG' })
    } finally {
      limitFiles('unlimited')
    }
  }

  test('gets the rest of its last line once it does', async () => {
    const path = newPath()
    const file = await openLineFile(path)
    const batch = batchOf('{"a":1}', '{"b":"2345678901234567890"}', '{"c":3}')
    await fails(file, batch)
    expect(statSync(path).size).toBe(20)
    await file.append(batch)
    await file.close()
    expect(linesOf(path)).toEqual(['{"a":1}', '{"b":"2345678901234567890"}', '{"c":3}'])
  })

  test('gets the whole line again if somebody else has written since', async () => {
    const path = newPath()
    const [file, other] = await Promise.all([openLineFile(path), openLineFile(path)])
    const batch = batchOf('{"a":1}', '{"b":"2345678901234567890"}')
    await fails(file, batch)
    await other.append(batchOf('{"other":1}'))
    await file.append(batch)
    await Promise.all([file.close(), other.close()])
    expect(linesOf(path)).toEqual(['{"a":1}', '{"b":"234567', '{"other":1}', '{"b":"2345678901234567890"}'])
  })
})

test('a file that is renamed, removed or replaced counts as moved, and one that is cut to nothing does not', async () => {
  const path = newPath()
  const file = await openLineFile(path)
  await file.append(batchOf('a'))
  expect(await file.isMoved()).toBe(false)
  truncateSync(path)
  expect(await file.isMoved()).toBe(false)
  await file.append(batchOf('b'))
  expect(linesOf(path)).toEqual(['b'])
  renameSync(path, `${path}.1`)
  expect(await file.isMoved()).toBe(true)
  writeFileSync(path, '')
  expect(await file.isMoved()).toBe(true)
  await file.close()
})

test('a new file can be read by its owner alone, and one that is there keeps its mode', async () => {
  const path = newPath()
  await (await openLineFile(path)).close()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  chmodSync(path, 0o640)
  await (await openLineFile(path)).close()
  expect(statSync(path).mode & 0o777).toBe(0o640)
})

describe('is refused', () => {
  const other = 4711
  const isRoot = process.geteuid?.() === 0
  test.each<[string, RegExp, (path: string) => void]>([
    ['a folder', /is a folder; name a file in it/, path => mkdirSync(path)],
    [
      'a link',
      /is a link, which could lead to any file/,
      path => {
        writeFileSync(`${path}.own`, '')
        symlinkSync(`${path}.own`, path)
      },
    ],
    ['a pipe that nobody reads', /is a pipe; name a regular file/, path => execFileSync('mkfifo', [path])],
    [
      'a file that its group may write',
      /can be written by others \(mode 0620\)/,
      path => {
        writeFileSync(path, '')
        chmodSync(path, 0o620)
      },
    ],
  ])('%s', async (_what, message, make) => {
    const path = newPath()
    make(path)
    expect(lineFileProblem(path)).toMatch(message)
    await expect(openLineFile(path)).rejects.toThrow()
  })

  test.runIf(isRoot)('a file of another user', async () => {
    const path = newPath()
    writeFileSync(path, '')
    execFileSync('chown', [String(other), path])
    expect(lineFileProblem(path)).toMatch(/belongs to user 4711, who could change it/)
    await expect(openLineFile(path)).rejects.toThrow(/belongs to user 4711/)
  })

  test('a path below a file, in words', async () => {
    const path = newPath()
    writeFileSync(path, '')
    expect(lineFileProblem(join(path, 'a.jsonl'))).toMatch(/^cannot be written: .*\(ENOTDIR\); name another, or let/)
  })

  test('a path in a folder that is not there, and nothing is made by asking', async () => {
    const path = join(folder, 'missing', 'a.jsonl')
    expect(lineFileProblem(path)).toBe(
      'is in a folder that cannot be written: there is no such file or folder (ENOENT); make the folder',
    )
    await expect(openLineFile(path)).rejects.toMatchObject({ code: 'ENOENT' })
    const fine = newPath()
    expect(lineFileProblem(fine)).toBeUndefined()
    expect(existsSync(fine)).toBe(false)
  })
})
