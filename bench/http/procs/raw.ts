/**
 * Is a peer: the least that Node's HTTP server and the undici client need to forward a request. It checks nothing.
 *
 * It keeps header arrays as they are, with no header objects, writes the head and a whole small body in one piece, and
 * has back-pressure both ways. What a gateway in Node costs above this is its own doing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

const [port, upstream = ''] = process.argv.slice(2)
const pool = new Pool(upstream, { pipelining: 1 })

const server = createServer({ noDelay: true }, (request, response) => {
  const { rawHeaders, method = 'GET', url = '/' } = request
  const headers: string[] = []
  let hasBody = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const lower = name.toLowerCase()
    if (lower === 'connection' || lower === 'keep-alive' || lower === 'authorization' || lower === 'expect') continue
    if (lower === 'transfer-encoding') {
      hasBody = true
      continue
    }
    if (lower === 'content-length') hasBody = true
    headers.push(name, rawHeaders[i + 1] as string)
  }
  const body = hasBody ? request : null
  pool.dispatch({ path: url, method: method as Dispatcher.HttpMethod, headers, body }, relay(request, response))
})
server.keepAliveTimeout = 75_000
server.listen(Number(port), '127.0.0.1', 4096)

function relay(request: IncomingMessage, response: ServerResponse): Dispatcher.DispatchHandler {
  let bytesLeft = -1
  return {
    onRequestStart(controller) {
      request.once('aborted', () => controller.abort(new Error('client gone')))
    },
    onResponseStart(controller, statusCode) {
      const received = controller.rawHeaders as readonly Buffer[]
      const headers: string[] = []
      for (let i = 0; i < received.length; i += 2) {
        const name = String(received[i])
        const lower = name.toLowerCase()
        if (lower === 'connection' || lower === 'keep-alive' || lower === 'transfer-encoding') continue
        const value = String(received[i + 1])
        if (lower === 'content-length') bytesLeft = Number(value)
        headers.push(name, value)
      }
      response.writeHead(statusCode, headers)
    },
    onResponseData(controller, chunk) {
      if (chunk.length === bytesLeft) {
        response.end(chunk)
        return
      }
      bytesLeft -= chunk.length
      if (response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      if (!response.writableEnded) response.end()
    },
    onResponseError() {
      response.destroy()
    },
  }
}
