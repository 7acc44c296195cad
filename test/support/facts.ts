/** The facts of a request that nobody sent, for asking stages and decisions directly. */
import type { OwnRoutes, RequestFacts, RequestNotes } from '../../src/types.ts'

export function factsOf(overrides: Partial<RequestFacts> = {}): RequestFacts {
  return {
    method: 'GET',
    target: '/',
    httpVersion: '1.1',
    rawHeaders: ['Host', 'localhost'],
    peer: { address: '127.0.0.1', protocol: 'http' },
    hasBody: undefined,
    headBytes: 0,
    ...overrides,
  }
}

/** What an endpoint is asked with, where it asks nothing of the policy and notes nothing. */
export function endpointContext(): [routes: OwnRoutes, notes: RequestNotes] {
  return [{ asked: () => undefined }, { path: '/', responseLines: [], isPrivate: false }]
}
