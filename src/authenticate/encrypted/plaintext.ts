/**
 * Asks `jose` to decrypt one token with one key.
 *
 * RFC 7516 §5.2. `jose` checks that `epk` lies on the curve of the key, and goes on with a random key when the
 * encrypted one cannot be opened (RFC 7516 §11.5). It keeps what it makes of a key object, so that each is imported
 * once for each algorithm. RSA, ECDH and AES run outside of the event loop.
 */
import { compactDecrypt } from 'jose'
import type { DecryptionKey } from '../decryption.ts'
import type { CompactJwe } from './jwe-header.ts'

/** @returns undefined when the key does not open it. Nobody may learn why. */
export async function plaintextOf(
  { token, alg, enc }: CompactJwe,
  { key }: Pick<DecryptionKey, 'key'>,
): Promise<Uint8Array | undefined> {
  try {
    const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] }
    return (await compactDecrypt(token, key, options)).plaintext
  } catch {
    return undefined
  }
}
