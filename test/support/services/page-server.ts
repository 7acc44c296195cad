/**
 * Serves the pages that tests open in a browser, over http and over https, under whatever host name it is asked by.
 *
 * All pages are empty: a test says what runs in them. `/` is one of the origin that it is opened from, `/sandboxed` one
 * whose origin is `null`.
 */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificate } from '../certificates.ts'

export interface PageServer {
  /** @returns `http://name:port` */
  plain(name: string): string
  /** @returns `https://name:port` */
  secure(name: string): string
  close(): Promise<void>
}

/** @param certificate of the pages over https */
export async function startPageServer(certificate: Pick<Certificate, 'cert' | 'key'>): Promise<PageServer> {
  const page: RequestListener = ({ url }, response) => {
    const sandbox = url === '/sandboxed' ? { 'content-security-policy': 'sandbox allow-scripts' } : {}
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...sandbox })
    response.end('<!doctype html><link rel="icon" href="data:,"><title>A page</title>')
  }
  const servers = [createServer(page), createSecureServer({ cert: certificate.cert, key: certificate.key }, page)]
  const [plainPort, securePort] = await Promise.all(servers.map(listening))
  return {
    plain: name => `http://${name}:${plainPort}`,
    secure: name => `https://${name}:${securePort}`,
    async close() {
      await Promise.all(
        servers.map(server => {
          const closed = once(server, 'close')
          server.close()
          server.closeAllConnections()
          return closed
        }),
      )
    },
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
