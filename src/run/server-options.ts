/** Reads from a configuration what the listening server needs, the content of certificate files included. */
import { equalShare } from '../config/equal-share.ts'
import { askedCertificate } from '../config/schema/certificate-source.ts'
import type { Config } from '../config/schema/schema.ts'
import type { ServerOptions } from '../downstream/server.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'

/** @throws {Error} a certificate file cannot be read */
export function serverOptions({ limits, workers, listen }: Config): ServerOptions {
  const tls = listen?.tls
  const asked = askedCertificate(tls)
  return {
    limits: {
      headerBytes: limits.headerBytes,
      headersTimeoutMs: limits.headersTimeout,
      connections: equalShare(limits.connections, workers),
    },
    ...(tls !== undefined && {
      tls: {
        cert: pemIn(tls.certFile),
        key: pemIn(tls.keyFile),
        ...(tls.clientCaFile !== undefined && { clientCa: pemIn(tls.clientCaFile) }),
        ...(asked !== undefined && { clientCertificate: asked }),
      },
    }),
  }
}

function pemIn(file: string): string {
  return readTrustedFile(file).toString('utf8')
}
