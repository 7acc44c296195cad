/** What there is to say about an object while the gateway is put into it: changes, notes, and what cannot be done. */
import type { ManifestPath } from '../k8s/manifests.ts'

export interface Remark {
  /** It leads from the object to what the message is about. */
  readonly path: ManifestPath
  readonly message: string
}

interface Remarks {
  /** What is put in or changed; with `--check`, what is missing. */
  readonly changes: readonly Remark[]
  /** What somebody should know, although nothing is in the way. */
  readonly notes: readonly Remark[]
  /** What makes the injection impossible, with its remedy. */
  readonly problems: readonly Remark[]
}

/** Collects remarks about an object, or about a part of it. */
export interface RemarkCollector extends Remarks {
  changed(path: ManifestPath, message: string): void
  noted(path: ManifestPath, message: string): void
  refused(path: ManifestPath, message: string): void
}

export function remarkCollector(): RemarkCollector {
  const changes: Remark[] = []
  const notes: Remark[] = []
  const problems: Remark[] = []
  return {
    ...{ changes, notes, problems },
    changed: (path, message) => void changes.push({ path, message }),
    noted: (path, message) => void notes.push({ path, message }),
    refused: (path, message) => void problems.push({ path, message }),
  }
}
