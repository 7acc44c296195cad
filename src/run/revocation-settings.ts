/** Makes of the section `revocation` what the memory of revocations needs of it, the entries of its file included. */
import { readRevokedFile } from '../config/read/revoked-file.ts'
import type { Config, StoreConfig } from '../config/schema/schema.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { RevocationSettings } from '../revocation/revocations.ts'

/**
 * @param readFile reads the file of entries; left out, nobody else may be able to write it
 * @throws {Error} the file was good when it was checked, and cannot be used any more
 */
export function revocationSettings(
  { revocation, store: address }: Config,
  readFile: (path: string) => Buffer = readTrustedFile,
): RevocationSettings | undefined {
  if (revocation === undefined) return undefined
  const { entries, file, store, maxStale } = revocation
  return {
    entries,
    maxStaleMs: store === undefined ? undefined : maxStale,
    remote: store === undefined ? undefined : remoteOf(address, store.stream),
    fileEntries: file === undefined ? [] : readRevokedFile(readFile(file).toString()).entries,
  }
}

/** Names the data, and not the way to it: another timeout or password leads to the same entries. */
function remoteOf(address: StoreConfig | undefined, stream: string): string {
  return JSON.stringify([address?.topology, address?.url, address?.prefix, stream])
}
