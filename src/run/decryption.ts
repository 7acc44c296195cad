/** Reads the keys of `providers.*.decryption` from their files. */
import { createHash } from 'node:crypto'
import type { Decryption } from '../authenticate/decryption.ts'
import { decryptionKey } from '../authenticate/encrypted/decryption-keys.ts'
import type { DecryptionConfig } from '../config/schema/schema.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'

/** The keys, and a text that tells them and their rules from any others, and holds no key. */
export interface ReadDecryption {
  readonly decryption: Decryption
  readonly identity: string
}

/** @throws {Error} a file cannot be read or holds no usable key */
export function readDecryption(config: DecryptionConfig | undefined): ReadDecryption | undefined {
  if (config === undefined) return undefined
  const { keyFiles, algorithms, encryptions, required } = config
  const contents = keyFiles.map(file => readTrustedFile(file))
  const digests = contents.map(content => createHash('sha256').update(content).digest('hex'))
  return {
    decryption: { algorithms, encryptions, required, keys: contents.map(decryptionKey) },
    identity: JSON.stringify([algorithms, encryptions, required, digests]),
  }
}
