/** Changes the files that a running gateway includes, as Kubernetes, editors and careless teams do. */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { configText, type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'

const RELOADED = { msg: 'configuration reloaded' }
const REJECTED = { msg: 'configuration rejected, the old one stays' }

let gateway: GatewayOnFile | undefined
afterEach(async () => {
  await gateway?.stop()
  gateway = undefined
})

/** Lays a folder as the kubelet does: a folder for each version, and a link to it that is renamed over the old one. */
function project(folder: string, version: number, content: string): void {
  mkdirSync(join(folder, `..2026_${version}`), { recursive: true })
  writeFileSync(join(folder, `..2026_${version}`, 'orders.yaml'), content)
  symlinkSync(`..2026_${version}`, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  if (version === 1) symlinkSync('..data/orders.yaml', join(folder, 'orders.yaml'))
}

/** A team is told by the only path that it has. */
function routes(path: string): string {
  return `routes: [{ id: team, path: ${path}, access: public, upstream: app }]\n`
}

function startIncluding(more: Record<string, unknown> = {}): Promise<GatewayOnFile> {
  return startGatewayOnFile('', {
    lay(folder) {
      mkdirSync(join(folder, 'platform'))
      project(join(folder, 'team'), 1, routes('/a'))
      const platform = {
        upstreams: { app: 'http://127.0.0.1:1' },
        include: [{ file: '../team/orders.yaml', may: ['routes'] }],
        ...more,
      }
      writeFileSync(join(folder, 'platform', 'sallyport.yaml'), configText(platform))
      return join(folder, 'platform', 'sallyport.yaml')
    },
  })
}

/** 502 where there is a route (nobody listens behind it), 404 where there is none. */
async function statusOf({ url }: GatewayOnFile, path: string): Promise<number> {
  const response = await fetch(url + path)
  await response.arrayBuffer()
  return response.status
}

interface Shown {
  readonly hash: string
  readonly includes?: readonly string[]
  readonly last_rejected?: { readonly problems: readonly string[] }
}

async function shown({ admin }: GatewayOnFile): Promise<Shown> {
  return (JSON.parse((await admin('/-/status')).text) as { config: Shown }).config
}

test('a team changes its routes, by a swap of its folder, and everybody sees which files are in force', async () => {
  gateway = await startIncluding()
  const file = join(gateway.folder, 'team', 'orders.yaml')
  expect(await gateway.logged({ msg: 'listening' })).toMatchObject({ includes: 1, routes: 1 })
  const first = await shown(gateway)
  expect(first.includes).toEqual([file])
  for (const [index, path] of ['/b', '/c'].entries()) {
    project(join(gateway.folder, 'team'), index + 2, routes(path))
    rmSync(join(gateway.folder, 'team', `..2026_${index + 1}`), { recursive: true })
    expect(await gateway.logged(RELOADED, index + 1)).toMatchObject({ trigger: 'change', includes: 1 })
    expect(await statusOf(gateway, path)).toBe(502)
    expect(await statusOf(gateway, '/a')).toBe(404)
  }
  expect((await shown(gateway)).hash).not.toBe(first.hash)
})

test('what a team may not set, a file that is gone, and one that others may write leave the old in force', async () => {
  gateway = await startIncluding()
  const team = join(gateway.folder, 'team')
  const file = join(team, 'orders.yaml')
  const expectRejected = async (nth: number, problem: RegExp): Promise<void> => {
    const line = await gateway?.logged(REJECTED, nth)
    expect(line?.problems).toEqual([expect.stringMatching(problem)])
    expect(gateway && (await statusOf(gateway, '/a'))).toBe(502)
  }
  project(team, 2, `${routes('/b')}limits: { headers: 50 }\n`)
  await expectRejected(1, /team\/orders\.yaml:2:1 limits: cannot be set by this file, which may set `routes`/)
  expect((await shown(gateway)).last_rejected?.problems[0]).toContain(`${file.replace(gateway.folder, '')}:2:1 limits`)

  rmSync(file)
  await expectRejected(2, /^\d+:\d+ include\[0\]\.file: cannot be read: there is no such file/)

  const writable = join(gateway.folder, 'writable.yaml')
  writeFileSync(writable, routes('/c'))
  chmodSync(writable, 0o666)
  renameSync(writable, file)
  await expectRejected(3, /include\[0\]\.file: can be written by others/)

  chmodSync(file, 0o644)
  gateway.process.child.kill('SIGHUP')
  await gateway.logged(RELOADED)
  expect(await statusOf(gateway, '/c')).toBe(502)
  expect(await shown(gateway)).not.toHaveProperty('last_rejected')
})

test('the platform takes a permission back', async () => {
  gateway = await startIncluding()
  const own = { ...{ id: 'own', path: '/own' }, access: 'public' }
  const text = readFileSync(gateway.file, 'utf8')
  writeFileSync(gateway.file, `${text.replace('- routes', '- limits')}routes: [${JSON.stringify(own)}]\n`)
  expect((await gateway.logged(REJECTED)).problems).toEqual([
    expect.stringContaining('routes: cannot be set by this file, which may set `limits`'),
  ])
  expect(await statusOf(gateway, '/a')).toBe(502)
})

test('every worker follows', async () => {
  gateway = await startIncluding({ workers: 2 })
  expect(await gateway.logged({ msg: 'listening' })).toMatchObject({ includes: 1, workers: 2 })
  project(join(gateway.folder, 'team'), 2, routes('/b'))
  await gateway.logged(RELOADED, 2)
  expect(await statusOf(gateway, '/b')).toBe(502)
  expect((await shown(gateway)).includes).toHaveLength(1)
})
