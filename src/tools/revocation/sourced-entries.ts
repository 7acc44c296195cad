/** Lists the entries that the sources of a configuration hold: those of its file, and those of its stream. */
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Config } from '../../config/schema/schema.ts'
import { type RevocationEntry, type RevocationSubject, subjectText } from '../../revocation/entry.ts'
import { revocationSettings } from '../../run/revocation-settings.ts'
import type { OpenedStream } from '../../run/revocation-store.ts'

export interface SourcedEntry extends RevocationEntry {
  readonly source: 'file' | 'store'
  /** Of the entry in the stream; undefined for one of the file. */
  readonly id: string | undefined
}

export function entriesOfFile(config: Config): readonly SourcedEntry[] {
  const entries = revocationSettings(config, readAnyFile)?.fileEntries ?? []
  return entries.map(entry => ({ ...entry, source: 'file', id: undefined }))
}

/** Leaves out what was undone later, and what is over. @throws {StoreError} */
export async function entriesOfStream(
  stream: Pick<OpenedStream, 'all'>,
  nowSeconds: number,
): Promise<readonly SourcedEntry[]> {
  const bySubject = new Map<string, SourcedEntry[]>()
  for await (const { id, change } of stream.all()) {
    if (change === undefined) continue
    if (change.do === 'undo') {
      bySubject.delete(keyOf(change.subject))
      continue
    }
    const { entry } = change
    const known = bySubject.get(keyOf(entry)) ?? []
    bySubject.set(keyOf(entry), [...known, { ...entry, source: 'store', id }])
  }
  return [...bySubject.values()].flat().filter(({ until }) => until >= nowSeconds)
}

function keyOf(subject: RevocationSubject): string {
  return `${subject.kind} ${subject.issuer.length} ${subjectText(subject)}`
}

/** An entry as JSON, in the words of the file. */
export function writtenEntry({ issuer, kind, value, before, until, reason }: RevocationEntry) {
  return {
    issuer,
    [kind]: kind === 'all' ? true : value,
    before,
    until: Number.isFinite(until) ? until : undefined,
    reason,
  }
}
