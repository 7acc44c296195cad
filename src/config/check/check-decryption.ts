/** Judges what the settings of `decryption` mean together. What its files hold is for `check-files.ts`. */
import type { DecryptionConfig } from '../schema/schema.ts'
import type { Finding, Path } from './findings.ts'

/** @param path of the provider */
export function decryptionFindings(decryption: DecryptionConfig | undefined, path: Path): readonly Finding[] {
  const { keyFiles = [] } = decryption ?? {}
  return keyFiles.flatMap((file, index): readonly Finding[] =>
    keyFiles.indexOf(file) < index
      ? [{ path: [...path, 'decryption', 'keyFiles', index], message: 'is listed already; name each key once' }]
      : [],
  )
}
