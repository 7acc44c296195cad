/** A Unix socket is there again after a kill, belongs to one process at a time, and lets in whom its mode says. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startTestGateway } from '../support/gateway/gateway.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { sallyport } from '../support/gateway/running.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

let folder: string
let path: string
let upstream: TestUpstream
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-socket-'))
  path = join(folder, 's.sock')
  upstream = await startTestUpstream()
  const [made, service] = [folder, upstream]
  onTestFinished(async () => {
    await service.close()
    rmSync(made, { recursive: true })
  })
})

const configOf = (over: Readonly<Record<string, unknown>> = {}) => ({
  listen: `unix:${path}`,
  upstreams: { app: upstream.url },
  routes: [{ id: 'all', path: '/**', access: 'public' }],
  ...over,
})

async function started(over: Readonly<Record<string, unknown>> = {}): Promise<GatewayOnFile> {
  const gateway = await startGatewayOnFile(configOf(over))
  onTestFinished(gateway.stop)
  return gateway
}

async function statusThrough(socketPath: string, url = 'http://gateway/'): Promise<number> {
  const dispatcher = new Agent({ connect: { socketPath } })
  const { statusCode, body } = await request(url, { dispatcher })
  await body.dump()
  await dispatcher.destroy()
  return statusCode
}

const modeOf = (socketPath: string) => (statSync(socketPath).mode & 0o777).toString(8)

/** Starts a gateway that must not start. @returns its exit code and what it says */
async function refusedStart(): Promise<readonly [number | null, string]> {
  const file = join(folder, 'sallyport.yaml')
  writeFileSync(file, JSON.stringify(configOf()))
  const { child, exited, stderr } = sallyport(['run', '-c', file])
  onTestFinished(() => void child.kill('SIGKILL'))
  return [await exited, stderr()]
}

describe.each([1, 2])('with %i workers', workers => {
  test('a socket that a killed gateway has left behind is replaced, and has the mode 0660', async () => {
    const first = await started({ workers })
    expect(await statusThrough(path)).toBe(200)
    first.process.child.kill('SIGKILL')
    await first.process.exited
    expect(statSync(path).isSocket()).toBe(true)
    await started({ workers })
    expect(await statusThrough(path)).toBe(200)
    expect(modeOf(path)).toBe('660')
  })
})

test('a socket on which somebody listens is left alone', async () => {
  await started()
  expect(await refusedStart()).toEqual([
    1,
    `sallyport: \`listen\`: cannot listen on unix:${path}: another process listens there (EADDRINUSE)\n`,
  ])
  expect(await statusThrough(path)).toBe(200)
})

test('a socket of another kind of server, which does not answer, is left alone', async () => {
  const silent: Server = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(path, resolve))
  onTestFinished(() => void silent.close())
  expect((await refusedStart())[0]).toBe(1)
  expect(statSync(path).isSocket()).toBe(true)
})

test('what is no socket is left alone', async () => {
  writeFileSync(path, 'precious')
  expect(await refusedStart()).toEqual([
    1,
    `sallyport: \`listen\`: cannot listen on unix:${path}: something that is no socket is there (EADDRINUSE)\n`,
  ])
  expect(readFileSync(path, 'utf8')).toBe('precious')
})

describe('whatever the umask', () => {
  test.each([0o000, 0o022, 0o777])('%o, sockets have the mode that is set for them', async umask => {
    const adminPath = join(folder, 'admin.sock')
    const starting = startTestGateway(
      configOf({
        listen: { address: `unix:${path}`, mode: '0606' },
        admin: { listen: { address: `unix:${adminPath}`, mode: '600' } },
      }),
    )
    // The file is written by now, and nothing listens yet.
    const before = process.umask(umask)
    onTestFinished(() => void process.umask(before))
    const gateway = await starting
    onTestFinished(gateway.close)
    expect(process.umask()).toBe(umask)
    expect([modeOf(path), modeOf(adminPath)]).toEqual(['606', '600'])
    expect(await statusThrough(adminPath, 'http://localhost/livez')).toBe(200)
  })
})
