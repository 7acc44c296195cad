/**
 * An upload that breaks off never reaches a service of HTTP/2 as a whole one, whoever broke it and however.
 *
 * RFC 9113 §8.1: END_STREAM says that a request is complete, and a service acts on it. A request
 * that is given up is reset.
 */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import {
  CODES,
  data,
  END_HEADERS,
  headers,
  http2Frames,
  requestFields,
  reset,
} from '../support/clients/http2-frame-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import {
  END_STREAM,
  FRAME,
  type FrameConnection,
  type FrameService,
  startFrameService,
} from '../support/services/http2-frame-service.ts'

const CANCEL = 8
const authority = testAuthority()
let service: FrameService
let gateway: TestGateway
let onRequest: (connection: FrameConnection, id: number) => void = () => {}
beforeAll(async () => {
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1'])
  service = await startFrameService({ onRequest: (connection, id) => onRequest(connection, id) })
  gateway = await startTestGateway({
    listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
    upstreams: { app: service.url },
    limits: { bodyBytes: '1KiB', bodyIdleTimeout: '1s' },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
})
afterAll(async () => {
  await gateway.close()
  await service.close()
  authority.remove()
})
afterEach(async () => {
  onRequest = () => {}
  while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
})

/** @returns the frames of the newest request, once there is one that `isMeant` is true of */
async function framesUntil(isMeant: (type: number, payload: string) => boolean) {
  for (;;) {
    const frames = service.connections.flatMap(({ received }) => received)
    const id = Math.max(0, ...frames.map(({ streamId }) => streamId))
    const own = frames.filter(({ streamId }) => streamId === id && id > lastId)
    if (own.some(({ type, payload }) => isMeant(type, payload.toString('latin1')))) return { own, id }
    await new Promise(setImmediate)
  }
}
let lastId = 0

async function expectBroken(): Promise<void> {
  const { own, id } = await framesUntil(type => type === FRAME.reset)
  lastId = id
  const ends = own.filter(
    ({ type, flags }) => [FRAME.data, FRAME.headers].includes(type as 0 | 1) && flags & END_STREAM,
  )
  expect(ends).toEqual([])
  expect(own.find(({ type }) => type === FRAME.reset)?.payload.readUInt32BE()).toBe(CANCEL)
  expect(service.connections).toHaveLength(1)
}
const halfArrived = () => framesUntil((type, text) => type === FRAME.data && text.includes('half'))

async function http1(): Promise<{
  socket: TLSSocket
  write(bytes: string): void
  until(text: RegExp): Promise<string>
}> {
  const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1', ca: authority.cert })
  await once(socket, 'secureConnect')
  const { write, until } = rawClient(socket)
  return { socket, write, until }
}

const HEADS = [
  ['chunked', 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ['of known length', 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf'],
] as const

test.each(HEADS.flatMap(([kind, bytes]) => (['destroy', 'end'] as const).map(how => [kind, how, bytes])))(
  'by a client of HTTP/1.1, %s, that leaves (%s)',
  async (_kind, how, bytes) => {
    const { socket, write } = await http1()
    write(bytes as string)
    await halfArrived()
    socket[how as 'destroy' | 'end']()
    await expectBroken()
    socket.destroy()
  },
)

test('by a client of HTTP/1.1 that sends no chunk where one must be', async () => {
  const { socket, write, until } = await http1()
  write(HEADS[0][1])
  await halfArrived()
  write('nonsense\r\n')
  await until(/request_malformed|HTTP\/1\.1 400/)
  await expectBroken()
  socket.destroy()
})

test.each(Object.entries(CODES))('by a client of HTTP/2 that resets its stream (%s)', async (_name, code) => {
  const client = await http2Frames(gateway.url, authority.cert)
  client.write(headers(1, requestFields('POST', '/a'), END_HEADERS), data(1, 'half'))
  await halfArrived()
  client.write(reset(1, code))
  await expectBroken()
  client.socket.destroy()
})

test.each(Object.entries(CODES))('by a client of HTTP/2 that writes and resets at once (%s)', async (_name, code) => {
  onRequest = (connection, id) => connection.head(id, [':status', '200'])
  const client = await http2Frames(gateway.url, authority.cert)
  client.write(headers(1, requestFields('POST', '/a'), END_HEADERS), data(1, 'first'))
  await framesUntil((type, text) => type === FRAME.data && text.includes('first'))
  client.write(data(1, 'half'), reset(1, code))
  await expectBroken()
  client.socket.destroy()
})

test.each(['destroy', 'end'] as const)('by a client of HTTP/2 whose connection ends (%s)', async how => {
  const client = await http2Frames(gateway.url, authority.cert)
  client.write(headers(1, requestFields('POST', '/a'), END_HEADERS), data(1, 'half'))
  await halfArrived()
  client.socket[how]()
  await expectBroken()
  client.socket.destroy()
})

test('by us, because it is too large', async () => {
  const client = await http2Frames(gateway.url, authority.cert)
  client.write(headers(1, requestFields('POST', '/a'), END_HEADERS), data(1, 'half'))
  await halfArrived()
  client.write(data(1, 'x'.repeat(2000), END_STREAM))
  await expectBroken()
  expect(await client.ended(1)).toMatchObject({ status: 413 })
  client.socket.destroy()
})

test('by us, because nothing more comes', async () => {
  const client = await http2Frames(gateway.url, authority.cert)
  client.write(headers(1, requestFields('POST', '/a'), END_HEADERS), data(1, 'half'))
  await expectBroken()
  expect(await client.ended(1)).toMatchObject({ status: 408 })
  client.socket.destroy()
})
