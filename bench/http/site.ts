/** Starts what every peer stands between: the service, and the issuer's key set. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type Site, whenListening } from './peers/peer.ts'
import { freePort, start } from './processes.ts'
import { signingKeys } from './tokens.ts'

export interface OpenSite extends Site {
  close(): Promise<void>
}

export async function openSite(): Promise<OpenSite> {
  const keys = signingKeys()
  const jwks = JSON.stringify({ keys: [...keys.values()].map(({ jwk }) => jwk) })
  const issuer = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(jwks)
  }).listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  const address = issuer.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const upstreamPort = await freePort()
  const upstreamUrl = `http://127.0.0.1:${upstreamPort}`
  const program = fileURLToPath(new URL('procs/upstream.ts', import.meta.url))
  const upstream = start(process.execPath, [program, String(upstreamPort)], { place: 'load' })
  await whenListening(upstreamUrl, upstream)
  return {
    keys,
    upstreamPort,
    upstreamUrl,
    jwksUri: `http://127.0.0.1:${address.port}/jwks.json`,
    async close() {
      await upstream.stop()
      issuer.closeAllConnections()
      issuer.close()
    },
  }
}
