/** A client that speaks bytes: it writes what a test says, when the test says it, and waits for what comes back. */
import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawClient {
  readonly socket: Socket
  write(bytes: string | Buffer): void
  /** All that has come so far, one character per byte. */
  received(): string
  /** Resolves with all that has come once it matches. Rejects when the connection closes first. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with all that came, when the connection is closed; `wasReset` says how. */
  readonly closed: Promise<{ readonly text: string; readonly wasReset: boolean }>
}

/** @param target a port on 127.0.0.1, a Unix socket's path, or a socket that is connected or about to be */
export function rawClient(target: number | string | Socket): RawClient {
  const socket =
    typeof target === 'object' ? target : typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target)
  const news = new EventEmitter()
  let text = ''
  let wasReset = false
  socket.setEncoding('latin1')
  socket.on('data', (data: string) => {
    text += data
    news.emit('data')
  })
  socket.on('error', () => {
    wasReset = true
  })
  const closed = new Promise<{ text: string; wasReset: boolean }>(resolve => {
    const onClose = () => resolve({ text, wasReset })
    if (socket.closed) onClose()
    else socket.once('close', onClose)
  })
  const tooSoon = closed.then(() => {
    throw new Error(`the connection closed after:\n${text}`)
  })
  tooSoon.catch(() => {})
  return {
    socket,
    write: bytes => void socket.write(bytes),
    received: () => text,
    closed,
    async until(pattern) {
      while (!pattern.test(text)) await Promise.race([once(news, 'data'), tooSoon])
      return text
    },
  }
}
