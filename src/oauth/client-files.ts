/**
 * Makes of the content of a client's files what proves who the client is: a secret, and a certificate with its key.
 *
 * Whoever checks a configuration asks the same functions, so that what passes there can be used later. What they throw
 * holds no content of a file. The key for assertions is in `assertion-key.ts`, the token in `keys/fetch/local-file.ts`.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { UnusableContent } from '../keys/fetch/local-file.ts'
import { withoutLineBreak } from '../lib/secrets.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @returns the text without one line break at its end @throws {UnusableContent} it is empty, or no text */
export function textOf(content: Buffer): string {
  const bytes = withoutLineBreak(content)
  if (bytes.length === 0) throw new UnusableContent('is empty', 'fill it, or name another file')
  try {
    return utf8.decode(bytes)
  } catch {
    throw new UnusableContent('is not text in UTF-8', 'save it as UTF-8; keys and certificates are written as PEM')
  }
}

/** @throws {UnusableContent} it holds no certificate */
export function clientCertificate(text: string): X509Certificate {
  return read(() => new X509Certificate(text), 'does not hold a PEM certificate')
}

/** @throws {UnusableContent} it holds no key */
export function clientKey(text: string): KeyObject {
  return read(() => createPrivateKey(text), 'does not hold a private key as PEM')
}

/** @throws {UnusableContent} they do not belong together, said of the file of the key */
export function requirePair(certificate: X509Certificate, key: KeyObject): void {
  if (createPublicKey(key).equals(certificate.publicKey)) return
  throw new UnusableContent('does not belong to the certificate in client.certFile', 'replace both together')
}

/** The reason is dropped: OpenSSL's helps nobody, and a parser's may quote the file. */
function read<T>(make: () => T, problem: string): T {
  try {
    return make()
  } catch {
    throw new UnusableContent(problem, 'write it between `-----BEGIN …-----` and `-----END …-----`, unencrypted')
  }
}
