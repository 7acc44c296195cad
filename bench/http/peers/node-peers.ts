/** Runs the peers that are Node programs of this folder, with the same Node as the gateway. */
import { fileURLToPath } from 'node:url'
import { freePort, start } from '../processes.ts'
import { type Algorithm, AUDIENCE, ISSUER } from '../tokens.ts'
import { type Peer, whenListening } from './peer.ts'

export const rawForwarder: Peer = nodePeer('raw Node forwarder', 'raw', { isGuard: false })

export const composition: Peer = nodePeer('plain composition', 'composition', { isGuard: true })

/** Its options take one algorithm. */
export const expressPeer: Peer = nodePeer('express', 'express', { isGuard: true, algorithms: new Set(['RS256']) })

function nodePeer(
  name: string,
  program: string,
  traits: { readonly isGuard: boolean; readonly algorithms?: ReadonlySet<Algorithm> },
): Peer {
  return {
    name,
    ...traits,
    async start({ upstreamUrl, jwksUri }) {
      const port = await freePort()
      const file = fileURLToPath(new URL(`../procs/${program}.ts`, import.meta.url))
      const child = start(process.execPath, [file, String(port), upstreamUrl, jwksUri, ISSUER, AUDIENCE], {
        place: 'gateway',
        env: { NODE_ENV: 'production' },
      })
      const url = `http://127.0.0.1:${port}`
      await whenListening(url, child)
      return { name, isGuard: traits.isGuard, url, pid: child.pid, stop: child.stop }
    },
  }
}
