/** Drives what `sallyport doctor` looks at on the machine into each of its states, by real files and real mounts. */
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../../src/tools/doctor/finding.ts'
import { folder } from '../support.ts'
import { examiner } from './support.ts'

const files = folder()
const examine = examiner(files)
const MIB = 1024 * 1024
/** The kubelet names a folder so for each version of a volume. */
const VERSION = '..2026_11_27_10_00_00.123456789'

describe('the file', () => {
  test('is good, doubtful, or has mistakes in itself, after which nothing else is looked at', async () => {
    expect((await examine({ config: {} })).of('file').join()).toMatch(/^ok: .* is a good configuration$/)
    const provider = { type: 'jwt', issuer: 'https://a.example.com', audiences: ['a'], maxLifetime: '2h' }
    const doubtful = await examine({ config: { providers: { main: provider } } })
    expect(doubtful.of('file').join()).toMatch(
      /^warn: .*\.yaml:\d+:\d+ providers\.main\.maxLifetime: lets a stolen token/,
    )
    const bad = await examine({ config: { routes: [] } })
    expect(bad.of('file').join()).toMatch(/^fail: .*routes: must not be empty/)
    expect(new Set(bad.all.slice(1).map(({ outcome, seen }) => `${outcome}: ${seen}`))).toEqual(
      new Set(['skipped: the file has mistakes']),
    )
  })

  test('names one that is not there, and the machine is looked at all the same', async () => {
    const keys = { jwksFile: 'absent.json' }
    const provider = { type: 'jwt', issuer: 'https://a.example.com', audiences: ['a'], keys }
    const { of: seen } = await examine({ network: 'online', config: { providers: { main: provider } } })
    expect(seen('file').join()).toMatch(/^fail: .*jwksFile: cannot be read/)
    expect(seen('memory').join()).toMatch(/^ok: /)
    expect(seen('port')).toEqual(['ok: 127.0.0.1:0 is free'])
    expect([...seen('provider'), ...seen('through')]).toEqual(Array(2).fill('skipped: the file has mistakes'))
  })

  test('that others may write is one that the gateway would not read', async () => {
    const secret = files.write('writable', 'x'.repeat(32))
    chmodSync(secret, 0o666)
    const provider = {
      ...{ type: 'jwt', issuer: 'https://a.example.com', audiences: ['a'], algorithms: ['HS256'] },
      keys: { secretFile: 'writable' },
    }
    const { of: seen } = await examine({ config: { providers: { main: provider } } })
    expect(seen('file').join()).toMatch(/^fail: .*providers\.main\.keys\.secretFile: can be written by others/)
  })

  test('needs the environment that it refers to', async () => {
    const config = { upstreams: { app: `http://127.0.0.1:$${'{PORT}'}` } }
    expect((await examine({ config })).of('file').join()).toMatch(/^fail: .*PORT, which is not set/)
    expect((await examine({ config, env: { PORT: '3000' } })).of('file').join()).toMatch(/^ok: /)
  })
})

describe('whether changes are noticed', () => {
  async function watched(mountinfo: string) {
    return (await examine({ config: {}, machine: { mountsFile: files.write('mountinfo', mountinfo) } }))
      .of('watch')
      .join()
  }
  const volume = '/var/lib/kubelet/pods/9b2c/volumes/kubernetes.io~configmap/config'
  const line = (root: string, point: string, type = 'ext4') =>
    `63 43 254:0 ${root} ${point} rw,relatime - ${type} /dev/vda rw\n`
  const root = '43 0 254:0 / / rw,relatime - ext4 /dev/vda rw\n'

  test.each([
    ['a folder of this machine', () => root, /^ok: changes in .* are noticed at once$/],
    ['no mounts that can be read', () => '', /^ok: /],
    ['a volume of Kubernetes', () => root + line(volume, files.path), /^ok: /],
    [
      'a file of it by subPath',
      () => root + line(`${volume}/${VERSION}/s.yaml`, files.path),
      /^warn: .* is mounted by `subPath`, so it never changes while the pod runs$/,
    ],
    [
      'a folder by subPath',
      () => root + line('/var/lib/kubelet/pods/9b2c/volume-subpaths/config/gateway/0', files.path),
      /^warn: .* by `subPath`/,
    ],
    [
      'a network file system',
      () => root + line('/', files.path, 'nfs4'),
      /^warn: .* on a network file system \(nfs4\)/,
    ],
  ])('%s', async (_name, text, expected) => expect(await watched(text())).toMatch(expected))

  test('a blank in the path of a mount is read as the kernel writes it', async () => {
    const spaced = folder()
    mkdirSync(join(spaced.path, 'a b'))
    const { of: seen } = await examiner({
      path: join(spaced.path, 'a b'),
      write: (name, text) => spaced.write(join('a b', name), text),
    })({
      config: {},
      machine: { mountsFile: files.write('mountinfo', root + line(`${volume}/${VERSION}`, `${spaced.path}/a\\040b`)) },
    })
    expect(seen('watch').join()).toMatch(/^warn: .*subPath/)
  })

  test('a folder of files that the configuration names is looked at, too', async () => {
    const elsewhere = folder()
    const secretFile = elsewhere.write('secret', 'x'.repeat(32))
    const keys = { secretFile }
    const provider = { type: 'jwt', issuer: 'https://a.example.com', audiences: ['a'], algorithms: ['HS256'], keys }
    const { of: seen } = await examine({
      config: { providers: { main: provider } },
      machine: { mountsFile: files.write('mountinfo', root + line(`${volume}/${VERSION}`, elsewhere.path)) },
    })
    expect(seen('watch', 'configuration').join()).toMatch(/^ok: /)
    expect(seen('watch', secretFile).join()).toMatch(/^warn: .*subPath/)
  })
})

test('real mounts are known by what the kernel says of them', async () => {
  // Where a user may not make a mount, the tests with texts of the kernel have to do.
  if (!mayMount()) return
  const projected = files.write(
    `volume/${VERSION}/s.yaml`,
    [
      'listen: 127.0.0.1:0',
      'audit: { file: read-only/audit.jsonl }',
      'providers: { a: { type: jwt, issuer: "https://a.test", audiences: [a], keys: { cacheFile: read-only/keys } } }',
      'upstreams: { app: "http://127.0.0.1:1" }',
      'routes: [{ id: all, path: /**, access: public }]',
    ].join('\n'),
  )
  const point = files.write('etc/s.yaml', '')
  mkdirSync(join(files.path, 'etc/read-only'))
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))
  const script =
    'mount --bind "$1" "$2" && mount -t tmpfs -o ro none "$3" && { "$4" "$5" doctor --json -c "$2"; test $? = 1; }'
  const { stdout } = await promisify(execFile)('unshare', [
    ...['-Urm', 'sh', '-c', script, 'sh', projected, point, join(files.path, 'etc/read-only'), process.execPath, main],
  ])
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] }
  const seen = (check: string) =>
    findings.filter(each => each.check === check).map(each => `${each.outcome}: ${each.seen}`)
  expect(seen('watch')).toEqual([`warn: ${point} is mounted by \`subPath\`, so it never changes while the pod runs`])
  expect(seen('file')).toEqual([
    expect.stringMatching(/^fail: .*audit\.file: .*its file system can only be read \(EROFS\)/),
  ])
  expect(seen('writable')).toEqual([
    expect.stringMatching(/^warn: .*keys cannot be written: .*its file system can only be read \(EROFS\)$/),
    'skipped: see what is said of the file',
  ])
})

function mayMount(): boolean {
  try {
    execFileSync('unshare', ['-Urm', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('the files that the gateway writes', () => {
  const provider = (cacheFile: string) => ({
    providers: { main: { type: 'jwt', issuer: 'https://a.example.com', audiences: ['a'], keys: { cacheFile } } },
  })

  test('can be written, or not, and there may be none', async () => {
    files.write('file', '')
    expect((await examine({ config: {} })).of('writable')).toEqual([
      'skipped: the configuration names no file to write',
    ])
    expect((await examine({ config: provider('keys.json') })).of('writable').join()).toMatch(
      /^ok: .*keys\.json can be written/,
    )
    expect((await examine({ config: provider('absent/keys.json') })).of('writable').join()).toMatch(
      /^warn: .*does not exist/,
    )
    expect((await examine({ config: provider('file/keys.json') })).of('writable').join()).toMatch(/^warn: .*no folder/)
  })

  test('of the audit, too', async () => {
    files.write('file', '')
    const audited = async (file: string) => {
      const { of: seen } = await examine({ config: { audit: { file } } })
      return [...seen('writable', 'audit'), ...seen('file').filter(each => !each.startsWith('ok'))].join('\n')
    }
    expect(await audited('audit.jsonl')).toMatch(/^ok: .*audit\.jsonl can be written$/)
    expect(await audited('file')).toMatch(/^ok: /)
    expect(await audited('absent/audit.jsonl')).toMatch(/^skipped: .*\nfail: .*audit\.file: /)
    expect(await audited('.')).toMatch(/^skipped: .*\nfail: .*audit\.file: .*folder/)
    expect(await audited('stdout')).toBe('')
  })
})

describe('memory', () => {
  async function remembered(groups: string, tree: Readonly<Record<string, string>>, heap = 64 * MIB, config = {}) {
    const at = folder()
    for (const [name, text] of Object.entries(tree)) at.write(name, text)
    const machine = { groupsFile: at.write('cgroup', groups), groupsFolder: at.path, heapLimitBytes: heap }
    return (await examine({ config, machine })).of('memory').join()
  }
  const limit = (mib: number) => `${mib * MIB}\n`

  test.each([
    ['no limit', '0::/pod\n', { 'pod/memory.max': 'max\n' }, 64, /^ok: .* no control group limits the memory$/],
    [
      'version 2',
      '0::/pod\n',
      { 'pod/memory.max': limit(192) },
      96,
      /^ok: .* grow to 96 MiB, and the limit is 192 MiB$/,
    ],
    [
      'version 2, from above',
      '0::/pod/a\n',
      { 'pod/memory.max': limit(200), 'pod/a/memory.max': 'max' },
      96,
      /200 MiB$/,
    ],
    ['version 2, within a container', '0::/\n', { 'memory.max': limit(192) }, 96, /192 MiB$/],
    ['version 2, beside version 1', '0::/x\n', { 'unified/x/memory.max': limit(192) }, 96, /192 MiB$/],
    ['version 1', '4:cpu,memory:/pod\n0::/\n', { 'memory/pod/memory.limit_in_bytes': limit(192) }, 96, /192 MiB$/],
    [
      'version 1, within a container',
      '4:memory:/host/pod\n',
      { 'memory/memory.limit_in_bytes': limit(192) },
      96,
      /192 MiB$/,
    ],
    [
      'version 1 without',
      '4:memory:/\n',
      { 'memory/memory.limit_in_bytes': '9223372036854771712\n' },
      96,
      /no control group/,
    ],
    ['little room', '0::/\n', { 'memory.max': limit(192) }, 160, /^warn: .*leaves little for buffers/],
    [
      'no room',
      '0::/\n',
      { 'memory.max': limit(192) },
      2048,
      /^fail: .*the kernel would end what V8 could still collect$/,
    ],
    ['too small a limit', '0::/\n', { 'memory.max': limit(64) }, 32, /^warn: .*the limit is 64 MiB$/],
  ])('%s', async (_name, groups, tree: Record<string, string>, heap, expected) =>
    expect(await remembered(groups, tree, heap * MIB)).toMatch(expected),
  )

  test('counts the heap of each worker', async () => {
    const seen = await remembered('0::/\n', { 'memory.max': limit(512) }, 192 * MIB, { workers: 4 })
    expect(seen).toMatch(/^fail: V8 lets the heaps of 4 workers grow to 768 MiB/)
  })

  test('of this machine is read without a fault', async () => {
    const real = { groupsFile: '/proc/self/cgroup', groupsFolder: '/sys/fs/cgroup' }
    expect((await examine({ config: {}, machine: real })).of('memory').join()).toMatch(/^(?:ok|warn|fail): V8 lets/)
  })
})

test.each([
  [{}, 'ok: no flag of Node weakens the gateway'],
  [{ NODE_OPTIONS: '--max-old-space-size-percentage=50' }, 'ok: no flag of Node weakens the gateway'],
  [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /^fail: NODE_TLS_REJECT_UNAUTHORIZED=0/],
  [{ NODE_OPTIONS: '--insecure-http-parser' }, /^fail: .*--insecure-http-parser/],
  [{ NODE_OPTIONS: '--inspect=0.0.0.0:9229' }, /^fail: .*--inspect/],
  [{ NODE_OPTIONS: '--tls-min-v1.0' }, /^warn: .*TLS/],
  [{ NODE_DEBUG: 'http' }, /^warn: NODE_DEBUG/],
] as const)('the flags of Node: %o', async (env, expected) => {
  const [seen] = (await examine({ config: {}, env })).of('node')
  expect(seen).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected))
})

test.each([
  [1_000_000, 'ok: 1000000 descriptors are enough for `limits`'],
  [1024, /^warn: 1024 descriptors are too few: \d+ of 10000 connections and \d+ of 4096 requests are taken$/],
  [undefined, /^skipped: /],
])('descriptors: %s', async (descriptors, expected) => {
  const [seen] = (await examine({ config: {}, machine: { descriptors } })).of('descriptors')
  expect(seen).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected))
})

test('every link leads to a heading of a document', () => {
  const root = new URL('../../../', import.meta.url)
  const room = new URL('src/tools/doctor/', root)
  const names = execFileSync('ls', [fileURLToPath(room)], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
  const links = new Set(
    names.flatMap(name =>
      [...readFileSync(new URL(name, room), 'utf8').matchAll(/'([\w/]+\.md)#([\w-]+)'/g)].map(([all]) => all),
    ),
  )
  expect(links.size).toBeGreaterThan(15)
  const lost = [...links].filter(link => {
    const [path = '', anchor] = link.replaceAll("'", '').split('#')
    const headings = readFileSync(new URL(path, root), 'utf8').matchAll(/^#+ (.*)$/gm)
    return ![...headings].some(
      ([, text = '']) =>
        text
          .toLowerCase()
          .replaceAll(/[^\w\- ]/g, '')
          .replaceAll(' ', '-') === anchor,
    )
  })
  expect(lost).toEqual([])
})
