/** Reads which findings an object asks to be left alone with, by the annotation `sallyport-lint-ignore: id, id`. */
import { FINDING_IDS, type FindingId } from './finding-table.ts'
import { at, type Spot, textAt } from './spot.ts'

const ANNOTATION = 'sallyport-lint-ignore'

interface IgnoredIds {
  readonly spot: Spot
  readonly ids: readonly string[]
}

/** @param root of the object, or of its pod template */
export function ignoredIds(root: Spot): IgnoredIds {
  const spot = at(root, 'metadata', 'annotations', ANNOTATION)
  const ids = (textAt(spot) ?? '').split(/[\s,]+/).filter(id => id !== '')
  return { spot, ids }
}

export function isFindingId(text: string): text is FindingId {
  return FINDING_IDS.some(id => id === text)
}
