/** A connection that is spoken byte by byte: call `openWire`, write whatever you like, take the answers one by one. */
import { connect, type Socket } from 'node:net'

export interface RawReply {
  readonly status: number
  /** Status line and fields, as received. */
  readonly head: string
  /** Lower-cased names; lines of one name joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** False when the connection ended inside the body. */
  readonly complete: boolean
}

/** One connection to the gateway. */
export interface Wire {
  readonly socket: Socket
  write(bytes: string | Buffer): void
  /** The next answer; undefined when the connection closed before its head was complete. */
  reply(method?: string): Promise<RawReply | undefined>
  /** Everything that was received and not yet taken as a reply. */
  rest(): string
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>
  end(): void
}

/** @param socket by default a plain connection */
export function openWire(port: number, socket: Socket = connect(port, '127.0.0.1')): Wire {
  let buffer = ''
  let isClosed = false
  let wake: () => void = () => {}
  socket.setEncoding('latin1')
  socket.on('data', text => {
    buffer += text
    wake()
  })
  // A reset is one of the ways to be refused; 'close' follows.
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => {
    socket.on('close', () => {
      isClosed = true
      wake()
      resolve()
    })
  })

  return {
    socket,
    closed,
    write: bytes => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    },
    rest: () => buffer,
    end: () => socket.destroy(),
    async reply(method = 'GET') {
      for (;;) {
        const parsed = parseReply(buffer, isClosed, method)
        if (parsed !== undefined) {
          buffer = buffer.slice(parsed.length)
          return parsed.reply
        }
        if (isClosed) return undefined
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}

/** @returns undefined as long as more bytes are needed */
function parseReply(
  buffer: string,
  isClosed: boolean,
  method: string,
): { readonly reply: RawReply; readonly length: number } | undefined {
  const headEnd = buffer.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = buffer.slice(0, headEnd)
  const headers = new Map<string, string>()
  for (const [name, value] of fieldsOf(head)) {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const status = Number(head.split(' ', 2)[1])
  const bodyStart = headEnd + 4
  const found = (body: string, end: number, complete = true) => ({
    reply: { status, head, headers, body, complete },
    length: end,
  })
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return found('', bodyStart)
  if (headers.get('transfer-encoding') === 'chunked') {
    const end = /(?:^|\r\n)0\r\n\r\n/.exec(buffer.slice(bodyStart))
    if (end !== null) {
      const length = bodyStart + end.index + end[0].length
      return found(unchunked(buffer.slice(bodyStart, length)), length)
    }
  } else {
    const length = Number(headers.get('content-length') ?? Number.NaN)
    if (buffer.length >= bodyStart + length)
      return found(buffer.slice(bodyStart, bodyStart + length), bodyStart + length)
    if (Number.isNaN(length) && isClosed) return found(buffer.slice(bodyStart), buffer.length)
  }
  return isClosed ? found(buffer.slice(bodyStart), buffer.length, false) : undefined
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; at < text.length; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!(size > 0)) break
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
  return body
}

/** The field lines of the first head in what reached a service: `[lower-cased name, value]`. */
export function fieldsOf(bytes: string): ReadonlyArray<readonly [string, string]> {
  const [head = ''] = bytes.split('\r\n\r\n', 1)
  return head
    .split('\r\n')
    .slice(1)
    .map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
}
