/**
 * Changes what Node's HTTP server reads anew for each connection, although its types know it only
 * as an option of the first.
 *
 * `maxHeaderSize` is read from the server for every connection (`lib/_http_server.js`, seen on Node 26.10), so that a
 * reload can change it. `dropMaxConnection` makes a full worker close a connection instead of passing it to the next
 * one: several full workers would pass it back and forth without end.
 *
 * Breaks first: `test/run/reload-survivors.test.ts` and `test/run/workers/sharing.test.ts`.
 * Remove when: `@types/node` has both members on `http.Server`.
 */
import type { Server } from 'node:http'

/** Bytes of a request head, for connections to come. */
export function setMaxHeaderSize(server: Server, bytes: number): void {
  Object.assign(server, { maxHeaderSize: bytes })
}

/** What is over `maxConnections` is closed. */
export function dropConnectionsOverLimit(server: Server): void {
  Object.assign(server, { dropMaxConnection: true })
}
