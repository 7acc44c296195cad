/**
 * A client of HTTP/2 that writes what no library would: call `http2Frames`, then write frames in any order.
 *
 * RFC 9113 §4 (frames), RFC 7541 §6.2.2 (literal fields without indexing, no Huffman code). It takes what comes back
 * apart into frames, and reads only the status of a head.
 */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { headStatus } from './hpack-status.ts'

export const TYPES = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export type FrameType = keyof typeof TYPES

export const END_STREAM = 1
export const END_HEADERS = 4
/** The flag of SETTINGS and PING. */
export const ACK = 1

/** Error codes (RFC 9113 §7). */
export const CODES = {
  none: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  refusedStream: 7,
  cancel: 8,
  enhanceYourCalm: 11,
} as const

/** Ids of settings (RFC 9113 §6.5.2). */
export const SETTINGS = { headerTableSize: 1, initialWindowSize: 4 } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

/** What came on one stream, up to its end. */
export interface StreamEnd {
  /** 0 when no head came. */
  readonly status: number
  readonly body: string
  /** `whole`: ended in good order; `reset`: by RST_STREAM; `gone`: with the connection. */
  readonly how: 'whole' | 'reset' | 'gone'
  /** The code of RST_STREAM, or that of GOAWAY when the connection went. */
  readonly errorCode: number | undefined
}

export interface Http2Frames {
  readonly socket: Socket
  /** All frames so far, oldest first. */
  readonly received: readonly Frame[]
  write(...frames: readonly Buffer[]): void
  /** The first frame, past or future, for which `isMeant` is true. Rejects when the connection closes first. */
  until(isMeant: (frame: Frame) => boolean): Promise<Frame>
  /** The end of a stream. Never rejects. */
  ended(id: number): Promise<StreamEnd>
  /** Resets the connection itself, below TLS. */
  cut(): void
  /** Resolves when the connection is closed, with GOAWAY's error code if there was one. */
  readonly closed: Promise<number | undefined>
}

/** Without a dynamic table, each head can be read by itself. */
const PLAIN = { [SETTINGS.headerTableSize]: 0 }

/**
 * Connects and sends the preface. Windows stay as they are by default: the server may send 65,535 bytes.
 *
 * @param ca PEM text of the authority that the server's certificate comes from; undefined without TLS
 */
export async function http2Frames(
  url: string,
  ca: string | undefined,
  given: Readonly<Record<number, number>> = {},
): Promise<Http2Frames> {
  const port = Number(new URL(url).port)
  const tcp = connectTcp({ host: 'localhost', port })
  const socket = ca === undefined ? tcp : connect({ socket: tcp, servername: 'localhost', ca, ALPNProtocols: ['h2'] })
  const received: Frame[] = []
  let isClosed = false
  let wake = Promise.withResolvers<void>()
  const news = (): void => {
    wake.resolve()
    wake = Promise.withResolvers<void>()
  }
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (let next = parsed(pending); next !== undefined; next = parsed(pending)) {
      pending = pending.subarray(9 + next.payload.length)
      received.push(next)
    }
    news()
  })
  tcp.on('error', () => {})
  socket.on('error', () => {})
  const closed = new Promise<number | undefined>(resolve =>
    socket.once('close', () => {
      isClosed = true
      news()
      resolve(goawayCode(received))
    }),
  )
  await once(socket, ca === undefined ? 'connect' : 'secureConnect')
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings({ ...PLAIN, ...given })]))
  return {
    socket,
    received,
    closed,
    write: (...frames) => void socket.write(Buffer.concat(frames)),
    cut: () => void tcp.resetAndDestroy(),
    async until(isMeant) {
      for (;;) {
        const found = received.find(isMeant)
        if (found !== undefined) return found
        if (isClosed) throw new Error(`the connection closed with ${goawayCode(received)}`)
        await wake.promise
      }
    },
    async ended(id) {
      for (;;) {
        const end = streamEnd(received, id, isClosed)
        if (end !== undefined) return end
        await wake.promise
      }
    },
  }
}

export function frame(type: FrameType, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const head = Buffer.alloc(9)
  head.writeUIntBE(bytes.length, 0, 3)
  head.writeUInt8(TYPES[type], 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, bytes])
}

export type Field = readonly [name: string, value: string]

/** Every field as a literal, byte for byte. */
export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), ...literal(name), ...literal(value)]))
}

export function headers(id: number, fields: readonly Field[], flags = END_STREAM | END_HEADERS): Buffer {
  return frame('headers', flags, id, block(fields))
}

export function data(id: number, payload: Buffer | string, flags = 0): Buffer {
  return frame('data', flags, id, payload)
}

export function reset(id: number, code: number = CODES.cancel): Buffer {
  return frame('reset', 0, id, uint32(code))
}

export function windowUpdate(id: number, bytes: number): Buffer {
  return frame('windowUpdate', 0, id, uint32(bytes))
}

/** @param values by {@link SETTINGS} */
export function settings(values: Readonly<Record<number, number>>): Buffer {
  const parts = Object.entries(values).map(([id, value]) => {
    const part = Buffer.alloc(6)
    part.writeUInt16BE(Number(id), 0)
    part.writeUInt32BE(value, 2)
    return part
  })
  return frame('settings', 0, 0, Buffer.concat(parts))
}

/** A plain head. `more` goes behind it as it is. */
export function requestFields(method: string, path: string, more: readonly Field[] = []): Field[] {
  return [[':method', method], [':scheme', 'https'], [':authority', 'app.example'], [':path', path], ...more]
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Encodes a string (RFC 7541 §5.2), whose length is an integer (§5.1). */
function literal(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  return [integer(bytes.length), bytes]
}

function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

function parsed(bytes: Buffer): Frame | undefined {
  if (bytes.length < 9) return undefined
  const length = bytes.readUIntBE(0, 3)
  if (bytes.length < 9 + length) return undefined
  return {
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    id: bytes.readUInt32BE(5) & 0x7fffffff,
    payload: bytes.subarray(9, 9 + length),
  }
}

function goawayCode(received: readonly Frame[]): number | undefined {
  return received.findLast(({ type }) => type === TYPES.goaway)?.payload.readUInt32BE(4)
}

function streamEnd(received: readonly Frame[], id: number, isClosed: boolean): StreamEnd | undefined {
  let status = 0
  let body = ''
  for (const { type, flags, id: of, payload } of received) {
    if (of !== id) continue
    if (type === TYPES.headers && status < 200) status = headStatus(payload) ?? status
    if (type === TYPES.data) body += payload.toString('latin1')
    if (type === TYPES.reset) return { status, body, how: 'reset', errorCode: payload.readUInt32BE(0) }
    if ((type === TYPES.headers || type === TYPES.data) && (flags & END_STREAM) !== 0)
      return { status, body, how: 'whole', errorCode: undefined }
  }
  return isClosed ? { status, body, how: 'gone', errorCode: goawayCode(received) } : undefined
}
