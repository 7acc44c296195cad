/**
 * Reads the file of revocations: a YAML list of entries, of which each is right or the file is refused.
 *
 * The list is told of every problem at once, with line and column in this file and not in that of the configuration.
 */
import * as z from 'zod'
import { entryOfPeople, type RevocationEntry, type WrittenEntry } from '../../revocation/entry.ts'
import { findings, problemText } from '../check/findings.ts'
import { pathText } from '../check/report.ts'
import { readSource } from './source.ts'

interface PlacedProblem {
  readonly line: number
  readonly column: number
  /** With the path of what it is about. */
  readonly message: string
}

interface RevokedFile {
  readonly entries: readonly RevocationEntry[]
  readonly problems: readonly PlacedProblem[]
}

const fileSchema = z.array(
  entryOfPeople.superRefine(({ kind, before }, context) => {
    // The time of the file is no time of the entry: a new login would be revoked with each reload.
    if (kind !== 'jti' && before === undefined)
      context.addIssue({
        code: 'custom',
        path: ['before'],
        message: 'is missing; say up to when tokens were issued that are meant, else a new login is refused, too',
      })
  }),
)

export function readRevokedFile(text: string): RevokedFile {
  const source = readSource(text.replace(/^\ufeff/, ''), {})
  const place = (finding: Parameters<typeof source.position>[0]): PlacedProblem => {
    const path = pathText(finding.path)
    return { ...source.position(finding), message: path === '' ? finding.message : `${path}: ${finding.message}` }
  }
  if (source.findings.length > 0) return { entries: [], problems: source.findings.map(place) }
  // An empty file revokes nobody.
  const parsed = fileSchema.safeParse(source.value ?? [], { error: problemText })
  if (!parsed.success) return { entries: [], problems: findings(parsed.error).map(place) }
  return { entries: parsed.data.map(asLongAsItIsThere), problems: [] }
}

/** An entry of the file counts as long as it stands there. */
function asLongAsItIsThere(written: WrittenEntry): RevocationEntry {
  return { ...written, until: written.until ?? Number.POSITIVE_INFINITY }
}

const MOST_SHOWN = 5

/** Joins the problems to one message about the file; undefined where there are none. */
export function revokedFileProblem(text: string): string | undefined {
  const { problems } = readRevokedFile(text)
  if (problems.length === 0) return undefined
  const shown = problems.slice(0, MOST_SHOWN).map(({ line, column, message }) => `${line}:${column} ${message}`)
  const more = problems.length > MOST_SHOWN ? [`and ${problems.length - MOST_SHOWN} more`] : []
  return `holds what is no list of entries: ${[...shown, ...more].join('; ')}`
}
