/** The package on the oldest Node that it is for, and on one that it is not for: installed from its file, far away. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { nodeProgram, WITHOUT_NPM_PACKAGES } from '../support/services/npm-packages.ts'
import { cloned, installed } from '../support/services/packed.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

let folder: string

beforeAll(() => {
  const clone = cloned()
  folder = installed(clone.pack())
  clone.remove()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = (): string => join(folder, 'node_modules/sallyport', packageJson.bin.sallyport)

function on(major: 24 | 12, ...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(nodeProgram(major), [program(), ...args], {
    cwd: folder,
    encoding: 'utf8',
    // What this Node has compiled is not for that one.
    env: { PATH: process.env.PATH },
  })
  return { status, stdout, stderr }
}

/** @returns what it logs when it listens */
async function listening({ stdout }: ChildProcess): Promise<{ readonly url: string }> {
  let log = ''
  for await (const chunk of stdout ?? []) {
    log += chunk
    if (log.includes('"listening"')) return JSON.parse(log.split('\n').find(line => line.includes('"listening"')) ?? '')
  }
  throw new Error(`it ended before it listened: ${log}`)
}

describe.skipIf(WITHOUT_NPM_PACKAGES)('on Node 24', () => {
  test('says its version, and writes a configuration, checks and explains it', () => {
    expect(on(24, '--version')).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' })
    expect(on(24, 'init', 'made.yaml')).toMatchObject({ status: 0, stderr: '' })
    expect(on(24, 'check', 'made.yaml', '--no-files')).toMatchObject({ status: 0, stderr: '' })
    const explained = on(24, 'explain', '-c', 'made.yaml', 'GET', '/orders')
    expect([explained.stderr, explained.stdout]).toEqual(['', expect.stringContaining('token_missing')])
    expect(on(24, 'schema').stdout).toBe(readFileSync(join(folder, 'sallyport.schema.json'), 'utf8'))
  })

  test.each([1, 2])('runs with workers: %i, forwards a request, and has not a word of complaint', async workers => {
    const upstream = await startTestUpstream()
    writeFileSync(
      join(folder, 'sallyport.yaml'),
      `listen: 127.0.0.1:0
workers: ${workers}
upstreams: { app: "${upstream.url}" }
routes: [{ id: all, path: /**, access: public }]
`,
    )
    const gateway = spawn(nodeProgram(24), [program(), 'run'], { cwd: folder, env: { PATH: process.env.PATH } })
    let complaints = ''
    gateway.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk
    })
    const closed = once(gateway, 'close') as Promise<[number | null]>
    const { url } = await listening(gateway)
    expect((await fetch(`${url}/orders`)).status).toBe(200)
    expect(upstream.seen).toHaveLength(1)
    gateway.kill('SIGTERM')
    expect([(await closed)[0], complaints]).toEqual([0, ''])
    await upstream.close()
  })
})

describe.skipIf(WITHOUT_NPM_PACKAGES)('on a Node that is too old', () => {
  test('says so in one sentence', () => {
    const { status, stdout, stderr } = on(12, 'run')
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(
      /^sallyport needs Node 24 or later; this is v12\.22\.12 \(.*\)\. Install a newer Node, .*\n$/,
    )
  })

  test('that is the Node of package.json', () => {
    const [, needed] = /^>=(\d+)$/.exec(packageJson.engines.node) ?? []
    expect(readFileSync(program(), 'utf8')).toContain(`parseInt(process.versions.node, 10) < ${needed})`)
    expect(readFileSync(program(), 'utf8')).toContain(`needs Node ${needed} or later`)
  })
})
