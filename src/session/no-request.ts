/** Stands in for a request where a token is judged by itself, as at a refresh, and for a stream that goes on. */
import type { RequestFacts, RequestNotes } from '../types.ts'

export const NO_REQUEST: RequestFacts = {
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  rawHeaders: [],
  peer: { address: undefined, protocol: 'https' },
  hasBody: undefined,
  headBytes: 0,
}

/** What is noted is nobody's. */
export function noNotes(): RequestNotes {
  return { path: '/', responseLines: [], isPrivate: false }
}
