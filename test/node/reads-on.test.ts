import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readsNoMore, readsOn } from '../../src/node/reads-on.ts'

let server: Server
beforeAll(async () => {
  // The other end says something and resets the connection, over bytes that it does not read.
  server = createServer({ pauseOnConnect: true }, socket => {
    socket.on('error', () => {})
    socket.write('the answer')
    setImmediate(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server.close())

function connected(): Socket {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {})
  // Nothing is read before the write has failed.
  return socket.pause()
}

/** Writes until that fails, and only then begins to read. @returns what was read */
async function readAfterFailedWrite(socket: Socket, writeFails: Promise<unknown>): Promise<string> {
  await once(socket, 'connect')
  let hasFailed = false
  void writeFails.then(() => {
    hasFailed = true
  })
  while (!hasFailed) {
    socket.write(Buffer.alloc(1024))
    await new Promise(setImmediate)
  }
  let text = ''
  socket.on('data', data => {
    text += String(data)
  })
  socket.on('end', () => socket.destroy()).resume()
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  return text
}

describe('what came before a write failed', () => {
  test('is lost to a socket of Node', async () => {
    const socket = connected()
    const closed = new Promise(resolve => socket.once('close', resolve))
    expect(await readAfterFailedWrite(socket, closed)).toBe('')
  })

  test('is still read', async () => {
    const socket = connected()
    const failed = new Promise<Error>(resolve => readsOn(socket, { onFailedWrite: resolve }))
    expect(await readAfterFailedWrite(socket, failed)).toBe('the answer')
    expect(await failed).toMatchObject({ syscall: 'write' })
  })
})

test('a socket that is given back is one of Node again', async () => {
  const socket = connected()
  await once(socket, 'connect')
  const { destroy } = socket
  readsOn(socket, { onFailedWrite() {} })
  expect(socket.destroy).not.toBe(destroy)
  readsNoMore(socket)
  expect(socket.destroy).toBe(destroy)
  socket.destroy()
})

test.each([undefined, new Error('enough')])('a socket that is destroyed with %s is destroyed', async error => {
  const socket = connected()
  await once(socket, 'connect')
  readsOn(socket, { onFailedWrite() {} })
  socket.destroy(error)
  expect(socket.destroyed).toBe(true)
})
