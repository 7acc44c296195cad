/**
 * How a change is noticed: each test waits for the line that says so, and none for time. The poll that would notice in
 * the end comes after a minute, when a test has long failed.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { configText, type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'

const RELOADED = { msg: 'configuration reloaded' }
const REJECTED = { msg: 'configuration rejected, the old one stays' }

let gateway: GatewayOnFile | undefined
afterEach(async () => {
  await gateway?.stop()
  gateway = undefined
})

/** A policy that is told by what it answers: the one route there is. */
function policy(path: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    upstreams: { app: 'http://127.0.0.1:1' },
    routes: [{ id: path.slice(1), path, access: 'public' }],
    ...more,
  }
}

/** 502 where there is a route (nobody listens behind it), 404 where there is none. */
async function statusOf({ url }: GatewayOnFile, path: string): Promise<number> {
  const response = await fetch(url + path)
  await response.arrayBuffer()
  return response.status
}

async function expectInForce(running: GatewayOnFile, path: string, other: string): Promise<void> {
  expect([await statusOf(running, path), await statusOf(running, other)]).toEqual([502, 404])
}

describe('a new policy is in force', () => {
  test('when the file is edited in place', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    await expectInForce(gateway, '/a', '/b')
    gateway.write('sallyport.yaml', policy('/b'))
    const line = await gateway.logged(RELOADED)
    expect(line).toMatchObject({ trigger: 'change', config: gateway.file, routes: 1 })
    await expectInForce(gateway, '/b', '/a')
  })

  test('when the file is written in two steps', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    const text = configText(policy('/b'))
    gateway.write('sallyport.yaml', text.slice(0, 30))
    gateway.write('sallyport.yaml', text)
    await gateway.logged(RELOADED)
    await expectInForce(gateway, '/b', '/a')
  })

  test('when another file is renamed over it, again and again', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    for (const [index, path] of ['/b', '/c', '/d'].entries()) {
      gateway.write('new.yaml', policy(path))
      renameSync(join(gateway.folder, 'new.yaml'), gateway.file)
      await gateway.logged(RELOADED, index + 1)
      await expectInForce(gateway, path, '/a')
    }
  })

  test('when Kubernetes swaps ..data, again and again', async () => {
    // As kubelet's AtomicWriter does it: a new folder, a new link to it, renamed over the old one; then the old goes.
    const project = (folder: string, version: string, path: string): void => {
      mkdirSync(join(folder, version))
      writeFileSync(join(folder, version, 'sallyport.yaml'), configText(policy(path)))
      symlinkSync(version, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    gateway = await startGatewayOnFile('', {
      lay(folder) {
        project(folder, '..2026_1', '/a')
        symlinkSync('..data/sallyport.yaml', join(folder, 'sallyport.yaml'))
        return join(folder, 'sallyport.yaml')
      },
    })
    await expectInForce(gateway, '/a', '/b')
    for (const [index, path] of ['/b', '/c', '/d'].entries()) {
      project(gateway.folder, `..2026_${index + 2}`, path)
      rmSync(join(gateway.folder, `..2026_${index + 1}`), { recursive: true })
      await gateway.logged(RELOADED, index + 1)
      await expectInForce(gateway, path, '/a')
    }
    expect(gateway.lines().filter(({ msg }) => msg === REJECTED.msg)).toEqual([])
  })

  test('when the whole folder is replaced', async () => {
    gateway = await startGatewayOnFile('', {
      lay(folder) {
        mkdirSync(join(folder, 'conf'))
        writeFileSync(join(folder, 'conf', 'sallyport.yaml'), configText(policy('/a')))
        return join(folder, 'conf', 'sallyport.yaml')
      },
    })
    gateway.write('next/sallyport.yaml', policy('/b'))
    renameSync(join(gateway.folder, 'conf'), join(gateway.folder, 'old'))
    renameSync(join(gateway.folder, 'next'), join(gateway.folder, 'conf'))
    await gateway.logged(RELOADED)
    await expectInForce(gateway, '/b', '/a')
    // The new folder is the one that is watched from now on.
    gateway.write('conf/sallyport.yaml', policy('/c'))
    await gateway.logged(RELOADED, 2)
    await expectInForce(gateway, '/c', '/b')
  })

  test('on SIGHUP, changed or not', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    gateway.process.child.kill('SIGHUP')
    expect(await gateway.logged(RELOADED)).toMatchObject({ trigger: 'SIGHUP' })
    gateway.process.child.kill('SIGHUP')
    await gateway.logged(RELOADED, 2)
    await expectInForce(gateway, '/a', '/b')
  })
})

describe('a file that says the same', () => {
  test('is no new configuration, whoever touched it', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    gateway.write('sallyport.yaml', policy('/a'))
    gateway.write('unrelated.txt', 'x')
    gateway.write('sallyport.yaml', policy('/b'))
    await gateway.logged(RELOADED)
    gateway.write('sallyport.yaml', policy('/b'))
    // A change after it is heard after it.
    gateway.write('sallyport.yaml', policy('/c'))
    await gateway.logged(RELOADED, 2)
    await expectInForce(gateway, '/c', '/b')
    expect((await gateway.metrics()).get('sallyport_config_reloads_total{result="success"}')).toBe(2)
  })
})

describe('a broken file', () => {
  test('changes nothing, is told with every problem in one line, and the next good one works', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    const before = await gateway.metrics()
    expect(before.get('sallyport_config_last_reload_successful')).toBe(1)
    const hash = [...before.keys()].find(series => series.startsWith('sallyport_config_info'))

    gateway.write(
      'sallyport.yaml',
      'listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\nupstreams: { app: nowhere }\nroutes: [{ id: marked-x, path: b }]\n',
    )
    const line = await gateway.logged(REJECTED)
    expect(line).toMatchObject({ level: 'error', trigger: 'change', config: gateway.file })
    expect(line.problems).toHaveLength(2)
    expect(line.problems).toEqual([
      expect.stringMatching(/^3:\d+ upstreams\.app: /),
      expect.stringMatching(/^4:\d+ routes\[0\]\.path: /),
    ])
    await expectInForce(gateway, '/a', '/b')
    const failed = await gateway.metrics()
    expect(failed.get('sallyport_config_last_reload_successful')).toBe(0)
    expect(failed.get('sallyport_config_reloads_total{result="failure"}')).toBe(1)
    expect(failed.get('sallyport_config_reloads_total{result="success"}')).toBe(0)
    expect(failed.get(hash ?? '')).toBe(1)
    expect([...failed.keys()].join()).not.toContain('marked-x')
    expect((await gateway.admin('/-/status')).text).not.toContain('marked-x')
    expect((await gateway.admin('/readyz')).status).toBe(200)

    gateway.write('sallyport.yaml', policy('/b'))
    await gateway.logged(RELOADED)
    await expectInForce(gateway, '/b', '/a')
    const good = await gateway.metrics()
    expect(good.get('sallyport_config_last_reload_successful')).toBe(1)
    expect(good.has(hash ?? '')).toBe(false)
  })

  test.each([
    ['no YAML', 'routes: [', /flow|YAML|expected/i],
    ['empty', '', /the file is empty/],
    ['not UTF-8', Buffer.from([0xff, 0xfe, 0x00]).toString('latin1'), /./],
  ])('that is %s is rejected', async (_, text, problem) => {
    gateway = await startGatewayOnFile(policy('/a'))
    writeFileSync(gateway.file, text, 'latin1')
    expect(String((await gateway.logged(REJECTED)).problems)).toMatch(problem)
    await expectInForce(gateway, '/a', '/b')
  })

  test('that is gone is rejected, and taken when it is back as it was', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    rmSync(gateway.file)
    expect(String((await gateway.logged(REJECTED)).problems)).toContain('ENOENT')
    await expectInForce(gateway, '/a', '/b')
    gateway.write('sallyport.yaml', policy('/a'))
    await gateway.logged(RELOADED)
    expect((await gateway.metrics()).get('sallyport_config_last_reload_successful')).toBe(1)
  })

  test('that is taken back counts as good again', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    gateway.write('sallyport.yaml', 'routes: 1\n')
    await gateway.logged(REJECTED)
    gateway.write('sallyport.yaml', policy('/a'))
    await gateway.logged(RELOADED)
    expect((await gateway.metrics()).get('sallyport_config_last_reload_successful')).toBe(1)
  })

  test('because a file it names is missing is taken when that file comes', async () => {
    gateway = await startGatewayOnFile(policy('/a'))
    const provider = { type: 'jwt', issuer: 'urn:x', audiences: ['x'], algorithms: ['HS256'] }
    gateway.write(
      'sallyport.yaml',
      policy('/b', { providers: { main: { ...provider, keys: { secretFile: 'late/secret' } } } }),
    )
    expect(String((await gateway.logged(REJECTED)).problems)).toContain(
      'secretFile: cannot be read: there is no such file or folder (ENOENT)',
    )
    gateway.write('late/secret', 'x'.repeat(32))
    await gateway.logged(RELOADED)
    await expectInForce(gateway, '/b', '/a')
  })
})

describe('what needs a restart', () => {
  test.each([
    ['another port', { listen: '127.0.0.1:1' }, 'listen.address'],
    ['another admin listener', { admin: { listen: '127.0.0.1:1' } }, 'admin'],
  ])('%s is said to, and nothing is applied', async (_, change, path) => {
    gateway = await startGatewayOnFile(policy('/a'))
    gateway.write('sallyport.yaml', policy('/b', change))
    expect((await gateway.logged(REJECTED)).problems).toEqual([
      `${path}: was changed, which needs a restart; nothing was applied`,
    ])
    await expectInForce(gateway, '/a', '/b')
    expect((await gateway.metrics()).get('sallyport_config_last_reload_successful')).toBe(0)
    gateway.write('sallyport.yaml', policy('/b'))
    await gateway.logged(RELOADED)
    await expectInForce(gateway, '/b', '/a')
  })
})
