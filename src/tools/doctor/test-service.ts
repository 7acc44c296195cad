/**
 * A service that stands in for the one behind a proxy, and remembers what reached it: each request of ours carries the
 * name of its probe. What others send is answered, and not remembered.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { HostPort } from '../snippet/site.ts'
import type { RawAnswer } from './raw-request.ts'

/** Names the probe. */
export const PROBE_HEADER = 'x-probe-id'

export interface Arrival {
  readonly method: string
  readonly target: string
  /** Flat names and values. */
  readonly rawHeaders: readonly string[]
}

/** Sends a GET through the proxy. */
export type Send = (target: string, lines?: readonly string[]) => Promise<Seen>

interface Seen {
  readonly answer: RawAnswer | undefined
  /** What reached the service; undefined: nothing did. */
  readonly arrival: Arrival | undefined
}

interface TestService {
  /** What came first of a probe; undefined: nothing did so far. */
  arrival(probe: string): Arrival | undefined
  close(): Promise<void>
}

/** @throws what the system says where nobody can listen there */
export async function testService({ host, port }: HostPort): Promise<TestService> {
  const seen = new Map<string, Arrival>()
  const server = createServer(({ method = '', url = '', headers, rawHeaders }, response) => {
    const probe = headers[PROBE_HEADER]
    if (typeof probe === 'string' && !seen.has(probe)) seen.set(probe, { method, target: url, rawHeaders })
    response.end('This is "sallyport doctor" in place of the service.\n')
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    arrival: probe => seen.get(probe),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
