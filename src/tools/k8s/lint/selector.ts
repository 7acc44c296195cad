/** Tells which pods a selector means. Kubernetes: label selectors, with `matchLabels` and `matchExpressions`. */
import { at, entries, items, labelsAt, type Spot, scalarAt, textsAt } from './spot.ts'

export type Labels = ReadonlyMap<string, string>

/** A Service selects by labels alone, and nothing without any. */
export function serviceSelects(selector: Spot, labels: Labels): boolean {
  const wanted = labelsAt(selector)
  return wanted.size > 0 && hasAll(labels, wanted)
}

/** A selector that is empty selects every pod of its namespace. */
export function selects(selector: Spot, labels: Labels): boolean {
  return (
    hasAll(labels, labelsAt(selector, 'matchLabels')) &&
    items(at(selector, 'matchExpressions')).every(each => holds(each, labels))
  )
}

export function isSelector(selector: Spot): boolean {
  return entries(selector).length > 0
}

function hasAll(labels: Labels, wanted: Labels): boolean {
  return [...wanted].every(([name, value]) => labels.get(name) === value)
}

function holds(expression: Spot, labels: Labels): boolean {
  const value = labels.get(scalarAt(expression, 'key') ?? '')
  const values = textsAt(expression, 'values')
  switch (scalarAt(expression, 'operator')) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      return false
  }
}
