/** Bodies that are judged are held in memory, which no caller can use up for the others. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from '../../support/gateway/gateway.ts'

const MIB = 1024 * 1024
/** Of bodies of this size four fill what all of them together may take. */
const LARGE = 16 * MIB
const SOON = { timeout: 20_000, interval: 5 }
const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'free' } })

/** Takes connections, and reads nothing from them. */
const connected: Socket[] = []
const deaf = createServer({ pauseOnConnect: true }, socket => {
  socket.on('error', () => {})
  connected.push(socket)
})
let stack: TestStack
let token: string
const open: Socket[] = []
beforeAll(async () => {
  await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve))
  stack = await startTestStack((_, { url }) => ({
    upstreams: { app: url, deaf: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}` },
    routes: [
      { id: 'mcp', path: '/mcp', upstream: 'app', mcp: { maxBody: '16MiB', tools: { free: {} } } },
      { id: 'deaf', path: '/deaf', upstream: 'deaf', mcp: { maxBody: '16MiB', tools: { free: {} } } },
      {
        id: 'report',
        path: '/report',
        upstream: 'app',
        mode: 'report',
        mcp: { maxBody: '16MiB', tools: { free: {} } },
      },
    ],
  }))
  token = await stack.issuer.mint()
})
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
})
afterAll(async () => {
  await stack.close()
  for (const socket of connected) socket.destroy()
  deaf.close()
})

interface Begun {
  readonly socket: Socket
  answer(): string
}

/** Sends a body of so many bytes without its end. */
async function begin(bytes: number, framing: 'length' | 'chunked' = 'chunked'): Promise<Begun> {
  const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
  open.push(socket)
  let answer = ''
  socket.on('data', (data: Buffer) => {
    answer += data.toString('latin1')
  })
  socket.on('error', () => {})
  const line = framing === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${LARGE}`
  socket.write(`POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`)
  socket.write(`Content-Type: application/json\r\n${line}\r\n\r\n`)
  const piece = Buffer.alloc(bytes, ' ')
  if (framing === 'chunked') socket.write(`${bytes.toString(16)}\r\n`)
  await new Promise<void>(resolve => socket.write(piece, () => resolve()))
  if (framing === 'chunked') socket.write('\r\n')
  return { socket, answer: () => answer }
}

async function call(path = '/mcp', body = CALL): Promise<number> {
  const headers = { ...bearer(token), 'content-type': 'application/json' }
  return (await stack.request(path, { method: 'POST', headers, body })).status
}

async function inFlight(): Promise<number | undefined> {
  return (await stack.metrics()).get('sallyport_requests_in_flight')
}

/**
 * A body takes as much memory as has come of it, and at most twice of that. So the large ones of the others and a small
 * one always find room, and what is left behind of so many rounds does not. The others would have to give way, since
 * each of them is larger than what a small one takes.
 */
describe('while others hold what they have sent', () => {
  const OTHERS = 5
  const ROUNDS = 15
  const SMALL = 2.5 * MIB
  let others: readonly Begun[]
  beforeAll(async () => {
    others = await Promise.all(Array.from({ length: OTHERS }, () => begin(5.5 * MIB)))
    // They stay for all tests.
    open.length = 0
  })
  afterEach(async () => {
    expect(await call()).toBe(200)
    expect(others.map(({ answer }) => answer()).join('')).toBe('')
  })
  afterAll(() => {
    for (const { socket } of others) socket.destroy()
  })

  test.each([
    ['its client leaves', (socket: Socket) => socket.destroy()],
    ['its connection is reset', (socket: Socket) => socket.resetAndDestroy()],
    ['its client ends it too early', (socket: Socket) => socket.end()],
    ['its framing breaks', (socket: Socket) => socket.write('zz\r\n')],
  ])('a body is held no more when %s', async (_, giveUp) => {
    for (let round = 0; round < ROUNDS; round++) {
      giveUp((await begin(SMALL)).socket)
      await expect.poll(inFlight, SOON).toBe(OTHERS)
    }
  })

  test('bodies that have passed are held no more', async () => {
    const body = JSON.stringify({ ...JSON.parse(CALL), padding: 'x'.repeat(SMALL - 1000) })
    for (let round = 0; round < ROUNDS; round++) expect(await call('/mcp', body)).toBe(200)
    for (let round = 0; round < 5; round++) expect(await call('/report', '')).toBe(200)
  })
})

describe('callers whose large bodies never end', () => {
  test.each(['chunked', 'length'] as const)('give way to each other, and not others to them (%s)', async framing => {
    const begun: Begun[] = []
    for (let at = 0; at < 6; at++) begun.push(await begin(15 * MIB, framing))
    const refused = () => begun.filter(({ answer }) => answer().startsWith('HTTP/1.1 503')).length
    await expect.poll(refused, SOON).toBeGreaterThanOrEqual(2)
    expect(await call()).toBe(200)
    expect(refused()).toBeLessThan(6)
  })

  test('keep nobody from a call that is larger than each of theirs, and soon over', async () => {
    const begun: Begun[] = []
    for (let at = 0; at < 20; at++) begun.push(await begin(3 * MIB))
    const body = JSON.stringify({ ...JSON.parse(CALL), padding: 'x'.repeat(7 * MIB) })
    for (let round = 0; round < 3; round++) expect(await call('/mcp', body)).toBe(200)
    expect(begun.some(({ answer }) => answer().startsWith('HTTP/1.1 503'))).toBe(true)
  })

  test('hold nothing that they have only announced', async () => {
    const begun = await Promise.all(Array.from({ length: 40 }, () => begin(1, 'length')))
    expect(await call()).toBe(200)
    expect(begun.map(({ answer }) => answer()).join('')).toBe('')
  })
})

test('bodies that the service does not take are held, and give way like those that are still to come', async () => {
  const large = JSON.stringify({ ...JSON.parse(CALL), padding: 'x'.repeat(15 * MIB) })
  const answers: number[] = []
  const calls = Array.from({ length: 6 }, () => call('/deaf', large).then(status => answers.push(status)))
  await expect.poll(() => answers.length, SOON).toBeGreaterThanOrEqual(2)
  expect(new Set(answers)).toEqual(new Set([503]))
  expect(await call()).toBe(200)
  deaf.on('connection', socket => socket.destroy())
  for (const socket of connected) socket.destroy()
  await Promise.all(calls)
})
