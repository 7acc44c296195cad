/**
 * Asks undici's `Client` what it reads in bytes that a service sends, over a real socket.
 *
 * It is a second judge, with rules of its own above those of its llhttp. It is never asked about an answer behind an
 * interim 100, which it refuses if nobody asked for it.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import type { Asked } from '../services/asked.ts'
import type { HeadRead } from './our-reading.ts'

export interface UndiciReading {
  interim: HeadRead[]
  head: HeadRead | undefined
  body: string
  rawTrailers: readonly string[]
  isComplete: boolean
  isUpgrade: boolean
  error: Error | undefined
  /** The next request went over the same connection, and was answered there. */
  isReused: boolean
}

interface Served {
  readonly bytes: Buffer
  readonly closes: boolean
}

export interface UndiciJudge {
  /** @param after what the service does behind the bytes */
  read(bytes: Buffer, asked: Asked, after: 'close' | 'wait'): Promise<UndiciReading>
  close(): Promise<void>
}

const NEXT_ANSWER = 'HTTP/1.1 299 Next\r\nContent-Length: 2\r\n\r\nok'
const OPTIONS = { maxHeaderSize: 1_048_576, headersTimeout: 5000, bodyTimeout: 5000 }

export async function startUndiciJudge(): Promise<UndiciJudge> {
  let served: Served = { bytes: Buffer.alloc(0), closes: false }
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, socket => {
    connections += 1
    let requests = 0
    sockets.add(socket)
    socket
      .on('error', () => {})
      .on('close', () => sockets.delete(socket))
      .on('data', () => {
        requests += 1
        if (requests > 1 || connections > 1) socket.write(NEXT_ANSWER)
        else if (served.closes) socket.end(served.bytes)
        else socket.write(served.bytes)
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    async read(bytes, asked, after) {
      served = { bytes, closes: after === 'close' }
      connections = 0
      const client = new Client(origin, OPTIONS)
      try {
        const reading = await dispatched(client, asked)
        if (!reading.isComplete || after === 'close') return reading
        const next = await dispatched(client, { method: 'GET', upgrade: null })
        reading.isReused = connections === 1 && next.head?.statusCode === 299
        return reading
      } finally {
        await client.destroy()
      }
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function dispatched(client: Client, { method, upgrade }: Asked): Promise<UndiciReading> {
  const reading: UndiciReading = {
    interim: [],
    head: undefined,
    body: '',
    rawTrailers: [],
    isComplete: false,
    isUpgrade: false,
    error: undefined,
    isReused: false,
  }
  const { promise, resolve } = Promise.withResolvers<UndiciReading>()
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onRequestUpgrade(controller, statusCode, _headers, socket) {
      reading.head = headOf(statusCode, controller)
      reading.isUpgrade = true
      socket.destroy()
      resolve(reading)
    },
    onResponseStart(controller, statusCode) {
      if (statusCode < 200) reading.interim.push(headOf(statusCode, controller))
      else reading.head = headOf(statusCode, controller)
    },
    onResponseData(_, part) {
      reading.body += part.toString('latin1')
    },
    onResponseEnd(controller) {
      reading.rawTrailers = textsOf(controller.rawTrailers)
      reading.isComplete = true
      resolve(reading)
    },
    onResponseError(_, error) {
      reading.error = error
      resolve(reading)
    },
  }
  client.dispatch({ path: '/', method: method as Dispatcher.HttpMethod, ...(upgrade !== null && { upgrade }) }, handler)
  return promise
}

function headOf(statusCode: number, { rawHeaders }: Dispatcher.DispatchController): HeadRead {
  return { statusCode, rawHeaders: textsOf(rawHeaders) }
}

/** llhttp leaves the blanks behind a value, which do not belong to it (RFC 9110 §5.5); Node's client removes them. */
function textsOf(lines: unknown): readonly string[] {
  return ((lines ?? []) as readonly Buffer[]).map((line, i) => {
    const text = line.toString('latin1')
    return i % 2 === 0 ? text : text.replace(/[\t ]+$/, '')
  })
}
