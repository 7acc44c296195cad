/**
 * Finds what `sallyport init` has left for its user to fill in: the words in capitals of the presets, such as
 * `TENANT-ID` in an issuer.
 */
import type { Path } from '../../config/check/findings.ts'
import type { Config } from '../../config/schema/schema.ts'
import { PRESETS } from '../init/presets.ts'

const WORD = /(?<![A-Za-z0-9_])[A-Z]{2,}(?:-[A-Z]+)*(?![A-Za-z0-9_])/g

const PLACEHOLDERS: ReadonlySet<string> = new Set(
  Object.values(PRESETS).flatMap(({ issuer, issuerLines, audience }) =>
    [issuer, audience, ...issuerLines.filter(line => !line.startsWith('#'))].flatMap(wordsOf),
  ),
)

interface Placeholder {
  readonly code: 'placeholder'
  readonly path: Path
  readonly message: string
}

export function placeholders({ providers }: Config): readonly Placeholder[] {
  return Object.entries(providers).flatMap(([id, provider]) => placeholdersIn(['providers', id], provider))
}

function placeholdersIn(path: Path, value: unknown): readonly Placeholder[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, item]) =>
      // The keys of a set are what they are.
      key === 'jwks' ? [] : placeholdersIn([...path, Array.isArray(value) ? Number(key) : key], item),
    )
  if (typeof value !== 'string') return []
  const word = wordsOf(value).find(each => PLACEHOLDERS.has(each))
  if (word === undefined) return []
  return [{ code: 'placeholder', path, message: `still has the placeholder \`${word}\`; write what is yours` }]
}

function wordsOf(text: string): readonly string[] {
  return text.match(WORD) ?? []
}
