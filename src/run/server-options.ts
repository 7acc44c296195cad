/** What the listening server takes from a configuration, the content of its certificate files included. */
import { readFileSync } from 'node:fs'
import { equalShare } from '../config/compile.ts'
import type { Config } from '../config/schema/schema.ts'
import type { ServerOptions } from '../downstream/server.ts'

/** @throws {Error} a certificate file cannot be read */
export function serverOptions({ limits, workers, listen: { tls } }: Config): ServerOptions {
  return {
    limits: {
      headerBytes: limits.headerBytes,
      headersTimeoutMs: limits.headersTimeout,
      connections: equalShare(limits.connections, workers),
    },
    ...(tls !== undefined && {
      tls: {
        cert: readFileSync(tls.certFile, 'utf8'),
        key: readFileSync(tls.keyFile, 'utf8'),
        ...(tls.clientCaFile !== undefined && { clientCa: readFileSync(tls.clientCaFile, 'utf8') }),
      },
    }),
  }
}
