/** Talks to Redis and Valkey in RESP2 over one socket, for what a test asks of a store itself. */
import { connect, type NetConnectOpts, type Socket } from 'node:net'

export type RespReply = string | number | null | readonly RespReply[]

export interface RespClient {
  /** Commands that are given without waiting are sent in one go. @throws {Error} with the server's words */
  command(...args: ReadonlyArray<string | number>): Promise<RespReply>
  close(): void
}

/** Connects with the first command, and again with the first after the connection was lost. */
export function respClient(to: NetConnectOpts, greeting: readonly string[] = []): RespClient {
  type Waiting = { resolve(reply: RespReply): void; reject(error: Error): void }
  let current: { readonly socket: Socket; readonly waiting: Waiting[] } | undefined

  const open = () => {
    const socket = connect(to)
    const waiting: Waiting[] = []
    const connection = { socket, waiting }
    let received = Buffer.alloc(0)
    let reason = new Error('the store has closed the connection')
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      let at = 0
      for (;;) {
        const reply = readReply(received, at)
        if (reply === undefined) break
        at = reply.end
        const next = waiting.shift()
        if (reply.value instanceof Error) next?.reject(reply.value)
        else next?.resolve(reply.value)
      }
      received = received.subarray(at)
    })
    socket.on('error', error => {
      reason = error
    })
    socket.on('close', () => {
      if (current === connection) current = undefined
      for (const each of waiting.splice(0)) each.reject(reason)
    })
    current = connection
    if (greeting.length > 0) send(greeting).catch(error => socket.destroy(error))
    return connection
  }

  const send = (args: ReadonlyArray<string | number>): Promise<RespReply> => {
    const { socket, waiting } = current ?? open()
    const { promise, resolve, reject } = Promise.withResolvers<RespReply>()
    waiting.push({ resolve, reject })
    socket.write(written(args))
    return promise
  }

  return { command: (...args) => send(args), close: () => current?.socket.destroy() }
}

function written(args: ReadonlyArray<string | number>): string {
  return `*${args.length}\r\n${args.map(arg => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`
}

interface Read {
  readonly value: RespReply | Error
  readonly end: number
}

/** @returns undefined while it is not there in full */
function readReply(bytes: Buffer, start: number): Read | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd === -1) return undefined
  const [type, text, next] = [
    String.fromCharCode(bytes[start] ?? 0),
    bytes.toString('utf8', start + 1, lineEnd),
    lineEnd + 2,
  ]
  if (type === '+') return { value: text, end: next }
  if (type === '-') return { value: new Error(text), end: next }
  if (type === ':') return { value: Number(text), end: next }
  const length = Number(text)
  if (length === -1) return { value: null, end: next }
  if (type === '$') {
    const end = next + length
    return bytes.length < end + 2 ? undefined : { value: bytes.toString('utf8', next, end), end: end + 2 }
  }
  if (type !== '*') throw new Error(`${type} is no type of RESP2`)
  const values: RespReply[] = []
  let at = next
  for (let index = 0; index < length; index += 1) {
    const read = readReply(bytes, at)
    if (read === undefined) return undefined
    values.push(read.value instanceof Error ? read.value.message : read.value)
    at = read.end
  }
  return { value: values, end: at }
}
