/**
 * Puts in force for a tool what is revoked: the entries of the configuration's own file, and those that somebody gives
 * it to try. A tool asks no store, so that nothing is stale unless it is told to be.
 */
import type { NamedFiles } from '../../config/read/load.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { RevocationEntry } from '../../revocation/entry.ts'
import type { Revocations } from '../../revocation/revocations.ts'
import { revocationSettings } from '../../run/revocation-settings.ts'

interface KnownRevocations {
  /** The file that the configuration names is read, or it is taken for empty. */
  readonly namedFiles: NamedFiles
  /** These are in force besides. */
  readonly further?: readonly RevocationEntry[]
  /** `stale`: revocations may be missing, so that `whenStale` decides. Default `fresh`. */
  readonly state?: 'fresh' | 'stale'
}

/** Nothing of what was in force before stays. @throws {Error} the file was good when it was checked, and is not now */
export function putInForce(
  revocations: Revocations,
  config: Config,
  { namedFiles, further = [], state = 'fresh' }: KnownRevocations,
): void {
  revocations.configure(undefined)
  const settings = revocationSettings(namedFiles === 'read' ? config : withoutFile(config), readAnyFile)
  if (settings === undefined) return
  // The last proof that nothing is missing is as old as it can be.
  if (state === 'stale') revocations.proved(0)
  revocations.configure({
    ...settings,
    maxStaleMs: state === 'stale' ? 0 : undefined,
    fileEntries: [...settings.fileEntries, ...further],
  })
}

function withoutFile({ revocation, ...rest }: Config): Config {
  return { ...rest, revocation: revocation && { ...revocation, file: undefined } }
}
