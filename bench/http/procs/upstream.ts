/**
 * Is the service behind every peer: it answers a GET with 70 bytes and `/…/bytes/N` with N bytes,
 * and reads and counts a body.
 *
 * `/-/received` tells how many body bytes have come until now, so that uploads are measured where they arrive.
 */
import { createServer, type ServerResponse } from 'node:http'

const port = Number(process.argv[2])
const SMALL = 'x'.repeat(70)
const CHUNK = Buffer.alloc(64 * 1024, 'x')
let receivedBytes = 0

const server = createServer((request, response) => {
  const { url = '/', method } = request
  if (url === '/-/received') {
    answer(response, String(receivedBytes))
    return
  }
  if (method === 'POST') {
    request.on('data', (chunk: Buffer) => {
      receivedBytes += chunk.length
    })
    request.on('end', () => answer(response, SMALL))
    return
  }
  const bytes = /\/bytes\/(\d+)$/.exec(url)?.[1]
  if (bytes === undefined) answer(response, SMALL)
  else stream(response, Number(bytes))
})
server.keepAliveTimeout = 600_000
server.listen(port, '127.0.0.1', 4096)

function answer(response: ServerResponse, text: string): void {
  response.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', String(text.length)])
  response.end(text)
}

function stream(response: ServerResponse, bytes: number): void {
  response.writeHead(200, ['Content-Type', 'application/octet-stream', 'Content-Length', String(bytes)])
  let left = bytes
  const write = (): void => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
      left -= chunk.length
      if (!response.write(chunk)) {
        response.once('drain', write)
        return
      }
    }
    response.end()
  }
  write()
}
