/** The two ways to speak HTTP/2, for `describe.each`: what is true of it over TLS has to be true without TLS, too. */
import { authorityOfFile } from './certificates.ts'

export interface Http2Transport {
  readonly name: 'TLS' | 'no TLS'
  readonly scheme: 'https' | 'http'
  /** What the gateway's configuration has for `listen`, with a free port. */
  readonly listen: {
    readonly address: string
    readonly tls?: { readonly certFile: string; readonly keyFile: string }
  }
  /** PEM text of the authority that the gateway's certificate comes from; undefined without TLS. */
  readonly ca: string | undefined
}

/** Makes both for all tests of the file that calls it. */
export function http2TransportsOfFile(): readonly [secure: Http2Transport, plain: Http2Transport] {
  const authority = authorityOfFile()
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
  const address = '127.0.0.1:0'
  return [
    { name: 'TLS', scheme: 'https', listen: { address, tls: { certFile, keyFile } }, ca: authority.cert },
    { name: 'no TLS', scheme: 'http', listen: { address }, ca: undefined },
  ]
}
