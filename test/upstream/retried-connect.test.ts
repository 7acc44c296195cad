import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { connector } from '../../src/upstream/connector.ts'
import { retriedConnect } from '../../src/upstream/retried-connect.ts'
import { atEnd } from '../support/at-end.ts'
import { call } from '../support/gateway/upstream-call.ts'
import { testPool, testUpstream } from '../support/gateway/upstream-pool.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'

let time: ManualTime
beforeEach(() => {
  time = manualTime()
})

async function listening(options: ListenOptions): Promise<Server> {
  const server = createServer(socket => socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n')))
  atEnd(() => server.close())
  server.listen(options)
  await once(server, 'listening')
  return server
}

/** @returns a port that nobody listens on */
async function freePort(): Promise<number> {
  const server = await listening({ port: 0, host: '127.0.0.1' })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Lets time pass a tenth of a second at a time, and the system answer in between, until `isDone`. */
async function pass(isDone: () => boolean, atMostMs = Number.POSITIVE_INFINITY): Promise<void> {
  for (let ms = 0; ms < atMostMs && !isDone(); ms += 100) {
    while (time.pendingMs().every(dueMs => dueMs > 100) && !isDone()) await new Promise(setImmediate)
    await time.advance(100)
  }
}

test('a service that restarts gets its request when it is back', async () => {
  const port = await freePort()
  const pool = testPool(`http://127.0.0.1:${port}`, { connectRetryMs: 2_000 }, time)
  atEnd(() => pool.close())
  let isDone = false
  const running = call(pool, '/', { method: 'POST' }).finally(() => {
    isDone = true
  })
  await pass(() => isDone, 500)
  expect(isDone).toBe(false)
  await listening({ port, host: '127.0.0.1' })
  await pass(() => isDone)
  expect(await running).toMatchObject({ statuses: [204], error: undefined })
})

test('a Unix socket that is not there yet is one, too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-'))
  atEnd(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'app.sock')
  const pool = testPool('http://localhost', { socketPath: path, connectRetryMs: 2_000 }, time)
  atEnd(() => pool.close())
  let isDone = false
  const running = call(pool, '/').finally(() => {
    isDone = true
  })
  await pass(() => isDone, 300)
  await listening({ path })
  await pass(() => isDone)
  expect(await running).toMatchObject({ statuses: [204], error: undefined })
})

test('the time ends, and the error is the last one', async () => {
  const origin = `http://127.0.0.1:${await freePort()}`
  const connect = retriedConnect(connector(testUpstream(origin), 'http1', time), { retryMs: 1_000, scheduler: time })
  let error: unknown
  const ended = connect().catch((failure: unknown) => {
    error = failure
  })
  await pass(() => error !== undefined, 900)
  expect(error).toBeUndefined()
  await pass(() => error !== undefined, 300)
  await ended
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
})

test('without a time nothing is tried again', async () => {
  const pool = testPool(`http://127.0.0.1:${await freePort()}`, {}, time)
  atEnd(() => pool.close())
  expect((await call(pool, '/')).error).toMatchObject({ code: 'ECONNREFUSED' })
})

test('any other failure is none that waiting helps', async () => {
  let tries = 0
  const failing = async (): Promise<never> => {
    tries += 1
    throw Object.assign(new Error('no'), { code: 'CERT_HAS_EXPIRED' })
  }
  await expect(retriedConnect(failing, { retryMs: 1_000, scheduler: time })()).rejects.toThrow('no')
  expect(tries).toBe(1)
})
