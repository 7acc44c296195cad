/**
 * Changes two limits that Node reads from an HTTP server for each connection, although its types do not show them
 * there.
 *
 * `maxHeaderSize` is declared as an option for making the server, but Node reads it from the server for every
 * connection (`lib/_http_server.js`, seen on Node 26.10), so a reload can change it. `dropMaxConnection` makes a full
 * worker close a connection instead of passing it to the next worker: several full workers would pass it back and forth
 * without end.
 *
 * Breaks first: `test/run/reload-survivors.test.ts` and `test/run/workers/sharing.test.ts`.
 * Remove when: `@types/node` has both members on `http.Server`.
 */
import type { Server } from 'node:http'

/** Limits the request heads of connections to come, in bytes. */
export function setMaxHeaderSize(server: Server, bytes: number): void {
  Object.assign(server, { maxHeaderSize: bytes })
}

/** Makes the server close connections that are over its `maxConnections`. */
export function dropConnectionsOverLimit(server: Server): void {
  Object.assign(server, { dropMaxConnection: true })
}
