/** Is a service of gRPC behind every peer, over HTTP/2 without TLS: it answers a call with a message of 70 bytes. */
import { createServer, type ServerHttp2Stream } from 'node:http2'

const MESSAGE = Buffer.alloc(5 + 70, 'x')
MESSAGE.writeUInt8(0, 0)
MESSAGE.writeUInt32BE(70, 1)

const server = createServer({ settings: { maxConcurrentStreams: 1_000 } })
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.resume()
  stream.on('error', () => {})
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(MESSAGE)
})
server.listen(Number(process.argv[2]), '127.0.0.1')
