/** A service that speaks HTTP/2 frame by frame, and so can say what Node's own server never would. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** Types of frames (RFC 9113 §6). */
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
export const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4
const PREFACE_BYTES = 24
const HEAD_BYTES = 9

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export interface FrameConnection {
  readonly socket: Socket
  /** All frames that have come so far, acknowledgements among them. */
  readonly received: readonly Frame[]
  send(frame: Partial<Frame> & Pick<Frame, 'type'>): void
  /** Flat names and values. */
  head(streamId: number, lines: readonly string[], flags?: number): void
  data(streamId: number, text: string, flags?: number): void
  reset(streamId: number, code: number): void
  goAway(lastStreamId: number, code: number): void
}

export interface FrameService {
  readonly url: string
  readonly connections: readonly FrameConnection[]
  close(): Promise<void>
}

export interface FrameServiceOptions {
  /** Called with the head of each request. */
  readonly onRequest: (connection: FrameConnection, streamId: number) => void
  /** Writes what the service says first. By default that is an empty SETTINGS frame. */
  readonly greet?: (connection: FrameConnection) => void
}

export async function startFrameService({ onRequest, greet }: FrameServiceOptions): Promise<FrameService> {
  const connections: FrameConnection[] = []
  const server = createServer(socket => {
    const received: Frame[] = []
    const connection = frameConnection(socket, received)
    connections.push(connection)
    socket.on('error', () => {})
    const greeting = greet ?? (() => connection.send({ type: FRAME.settings }))
    greeting(connection)
    onFrames(socket, frame => {
      received.push(frame)
      if (frame.type === FRAME.settings && frame.flags === 0) connection.send({ type: FRAME.settings, flags: ACK })
      if (frame.type === FRAME.headers) onRequest(connection, frame.streamId)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const { socket } of connections) socket.destroy()
      }),
  }
}

/** The payload of a SETTINGS frame with SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2). */
export function maxConcurrentStreams(count: number): Buffer {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(3)
  payload.writeUInt32BE(count, 2)
  return payload
}

function frameConnection(socket: Socket, received: readonly Frame[]): FrameConnection {
  const send: FrameConnection['send'] = ({ type, flags = 0, streamId = 0, payload = Buffer.alloc(0) }) => {
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUIntBE(payload.length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(streamId, 5)
    socket.write(Buffer.concat([head, payload]))
  }
  return {
    socket,
    received,
    send,
    head: (streamId, lines, flags = 0) =>
      send({ type: FRAME.headers, flags: flags | END_HEADERS, streamId, payload: headerBlock(lines) }),
    data: (streamId, text, flags = 0) =>
      send({ type: FRAME.data, flags, streamId, payload: Buffer.from(text, 'latin1') }),
    reset: (streamId, code) => send({ type: FRAME.reset, streamId, payload: uint32(code) }),
    goAway: (lastStreamId, code) =>
      send({ type: FRAME.goAway, payload: Buffer.concat([uint32(lastStreamId), uint32(code)]) }),
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** RFC 7541 §6.2.2: writes literals without indexing and Huffman code. Names and values must have under 127 bytes. */
function headerBlock(lines: readonly string[]): Buffer {
  const block = [Buffer.alloc(0)]
  for (let i = 0; i < lines.length; i += 2) {
    block.push(Buffer.from([0]))
    for (const part of lines.slice(i, i + 2)) block.push(Buffer.from([part.length]), Buffer.from(part, 'latin1'))
  }
  return Buffer.concat(block)
}

function onFrames(socket: Socket, onFrame: (frame: Frame) => void): void {
  let rest = Buffer.alloc(0)
  let isGreeted = false
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    if (!isGreeted && rest.length >= PREFACE_BYTES) {
      isGreeted = true
      rest = rest.subarray(PREFACE_BYTES)
    }
    while (isGreeted && rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUIntBE(0, 3)
      if (rest.length < end) return
      const [type, flags, streamId] = [rest.readUInt8(3), rest.readUInt8(4), rest.readUInt32BE(5)]
      onFrame({ type, flags, streamId, payload: rest.subarray(HEAD_BYTES, end) })
      rest = rest.subarray(end)
    }
  })
}
