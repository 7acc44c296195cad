/** A forward proxy on loopback that takes CONNECT, in clear or behind TLS, and can be told to answer something else. */
import { once } from 'node:events'
import http, { type IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

interface ForwardProxyOptions {
  /** Where a host of this name is, for names that only the proxy knows: `keys.test:443` → a port on loopback. */
  readonly hosts?: Readonly<Record<string, number>>
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Takes the place of the tunnel. */
  readonly answer?: (socket: Socket) => void
}

export interface ForwardProxy {
  readonly url: string
  readonly port: number
  readonly asked: ReadonlyArray<{ readonly target: string; readonly headers: IncomingHttpHeaders }>
  /** What clients have sent through tunnels, as it passed by. */
  passed(): Buffer
  openSockets(): number
}

export async function startForwardProxy({ hosts = {}, tls, answer }: ForwardProxyOptions = {}): Promise<ForwardProxy> {
  const asked: Array<{ target: string; headers: IncomingHttpHeaders }> = []
  const passed: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = tls === undefined ? http.createServer() : https.createServer(tls)
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.on('connect', ({ url: target = '', headers }, stream) => {
    const socket = stream as Socket
    asked.push({ target, headers })
    socket.on('error', () => {})
    // A socket that nobody reads does not notice that the client has gone.
    if (answer !== undefined) return answer(socket.resume().on('end', () => socket.destroy()))
    const port = hosts[target]
    if (port === undefined) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    const onward = net.connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 Connection established\r\n\r\n'))
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => passed.push(chunk)).on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    asked,
    passed: () => Buffer.concat(passed),
    openSockets: () => sockets.size,
  }
}
