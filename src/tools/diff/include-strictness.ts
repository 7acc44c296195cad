/**
 * Compares who may set what: the files that a configuration includes, and their `may`.
 *
 * What the files say is compared where it counts, as if one file said it. A file that may set more lets nobody in by
 * itself, but whoever writes it can do so without asking the owner of the including file, so it counts as looser.
 */
import type { IncludedConfig } from '../../config/schema/schema.ts'
import type { Difference } from './strictness.ts'

export function includeDifferences(
  before: readonly IncludedConfig[] = [],
  after: readonly IncludedConfig[] = [],
): readonly Difference[] {
  const [from, to] = permissions(before, after)
  return [
    ...[...(to ?? [])]
      .filter(each => from?.has(each) === false)
      .map(text => ({ direction: 'loosened', text }) as const),
    ...[...(from ?? [])]
      .filter(each => to?.has(each) === false)
      .map(each => ({ direction: 'tightened', text: `no longer: ${each}` }) as const),
  ]
}

/** Writes which file may set what, a line for each file and key of each configuration. */
function permissions(...configs: readonly (readonly IncludedConfig[])[]): readonly ReadonlySet<string>[] {
  const length = tellingLength(configs)
  return configs.map(
    included =>
      new Set(included.flatMap(({ file, may }) => may.map(section => `${tail(file, length)} may set ${section}`))),
  )
}

/**
 * Two versions of a configuration lie in two folders, so a file is known by the end of its path: by so many parts of it
 * as tell it from every other file of its configuration.
 */
function tellingLength(configs: readonly (readonly IncludedConfig[])[]): number {
  const isTelling = (length: number): boolean =>
    configs.every(included => new Set(included.map(({ file }) => tail(file, length))).size === included.length)
  const longest = Math.max(1, ...configs.flat().map(({ file }) => file.split('/').length))
  for (let length = 1; length < longest; length++) if (isTelling(length)) return length
  return longest
}

function tail(file: string, length: number): string {
  return file.split('/').slice(-length).join('/')
}
