/**
 * Puts the files of a configuration together, and knows of each value which file it is in.
 *
 * Blocks of entries by id (`providers`, `upstreams`) and the list of routes are joined; every other key of the top
 * level has one owner. Nothing is merged and nothing overrides: what is set twice is an error that names both places,
 * and so is what the file was not allowed to set. No value is judged here.
 */
import * as z from 'zod'
import { type Finding, findings, problemText } from '../check/findings.ts'
import { configSchema } from '../schema/schema.ts'
import { didYouMean } from '../schema/suggest.ts'
import { type ConfigFile, isBlock } from './config-file.ts'
import { type Home, type Homes, homes, homeText } from './homes.ts'
import type { IncludedFile } from './included-files.ts'
import { pathKey, type Rereading } from './yaml-values.ts'

/** A finding about a file. Its path begins at the root of that file. */
export interface PlacedFinding {
  readonly file: ConfigFile
  readonly finding: Finding
}

interface Joined extends Pick<Homes, 'homeOf'> {
  readonly value: unknown
  readonly rereadings: readonly Rereading[]
  /** What is wrong with the files beside each other. */
  readonly findings: readonly PlacedFinding[]
  /** Values that could not be read, as {@link pathKey} writes their paths; their problems have been reported. */
  readonly unread: ReadonlySet<string>
  /** Sections of which a part had to be left out. */
  readonly incomplete: ReadonlySet<string>
}

export function joinedFiles(main: ConfigFile, included: readonly IncludedFile[]): Joined {
  const files = [main, ...included]
  const { settle, homeOf, joinedPath } = homes(main)
  const allowed = [
    ...partsOf(main),
    ...included.flatMap(file => partsOf(file).filter(({ section }) => file.may.includes(section))),
  ]
  const sections = [...Map.groupBy(allowed, ({ section }) => section)].map(([section, parts]) => ({
    section,
    ...joinedSection(section, parts, settle),
  }))
  return {
    value: isBlock(main.source.value)
      ? Object.fromEntries(sections.map(({ section, value }) => [section, value]))
      : main.source.value,
    rereadings: files.flatMap(file =>
      file.source.rereadings.flatMap(rereading => {
        const path = joinedPath({ file, path: rereading.path })
        return path === undefined ? [] : [{ ...rereading, path }]
      }),
    ),
    findings: [
      ...included.flatMap(file => notAllowed(main, file)),
      ...sections.flatMap(({ findings: ofSection }) => ofSection),
    ],
    unread: new Set(
      files.flatMap(file =>
        file.source.findings.flatMap(({ path, at }) => {
          const joined = at === 'key' ? undefined : joinedPath({ file, path })
          return joined === undefined ? [] : [pathKey(joined)]
        }),
      ),
    ),
    incomplete: new Set(sections.flatMap(({ section, isComplete }) => (isComplete ? [] : [section]))),
    homeOf,
  }
}

/** Top-level keys that begin like this are a place for anchors. */
const EXTENSION = 'x-'

/** What one file says of a section. */
interface Part {
  readonly file: ConfigFile
  readonly section: string
  readonly value: unknown
}

function partsOf(file: ConfigFile): readonly Part[] {
  const { value: whole } = file.source
  return Object.entries(isBlock(whole) ? whole : {}).flatMap(([section, value]) =>
    section.startsWith(EXTENSION) ? [] : [{ file, section, value }],
  )
}

type Form = 'entries' | 'list' | 'whole'

/** How a section is joined follows from its schema, so that a new one needs no word here. */
const FORMS: ReadonlyMap<string, Form> = new Map(
  Object.entries(configSchema.shape).map(([section, schema]) => [section, formOf(schema)]),
)

function formOf(schema: z.core.$ZodType): Form {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return formOf(schema.unwrap())
  if (schema instanceof z.ZodRecord) return 'entries'
  return schema instanceof z.ZodArray ? 'list' : 'whole'
}

interface JoinedSection {
  readonly value: unknown
  readonly findings: readonly PlacedFinding[]
  readonly isComplete: boolean
}

function joinedSection(section: string, parts: readonly Part[], settle: Homes['settle']): JoinedSection {
  const [first, ...later] = parts
  if (first === undefined) return { value: undefined, findings: [], isComplete: true }
  const home = { file: first.file, path: [section] }
  settle(home.path, home)
  const form = FORMS.get(section) ?? 'whole'
  if (later.length === 0 || form === 'whole')
    return { value: first.value, findings: later.map(({ file }) => twice(file, home)), isComplete: true }
  const right = parts.filter(({ value }) => (form === 'list' ? Array.isArray(value) : isBlock(value)))
  const ofForm = parts.filter(part => !right.includes(part)).flatMap(formFindings)
  const { value, findings: found } = (form === 'list' ? joinedList : joinedEntries)(section, right, settle)
  return { value, findings: [...ofForm, ...found], isComplete: ofForm.length === 0 }
}

/** Says what the section must be, in the words that it would have in a file of its own. */
function formFindings({ file, section, value }: Part): readonly PlacedFinding[] {
  const { error } = configSchema.safeParse({ [section]: value }, { error: problemText })
  const ofSection = error === undefined ? [] : findings(error).filter(({ path }) => path[0] === section)
  return ofSection.map(finding => ({ file, finding }))
}

type Entries = Pick<JoinedSection, 'value' | 'findings'>

function joinedList(section: string, parts: readonly Part[], settle: Homes['settle']): Entries {
  const items = parts.flatMap(({ file, value }) =>
    Array.isArray(value) ? value.map((item: unknown, index) => ({ item, home: { file, path: [section, index] } })) : [],
  )
  for (const [index, { home }] of items.entries()) settle([section, index], home)
  return { value: items.map(({ item }) => item), findings: [] }
}

function joinedEntries(section: string, parts: readonly Part[], settle: Homes['settle']): Entries {
  const entries = parts.flatMap(({ file, value }) =>
    Object.entries(isBlock(value) ? value : {}).map(([id, entry]) => ({
      id,
      entry,
      home: { file, path: [section, id] },
    })),
  )
  const byId = [...Map.groupBy(entries, ({ id }) => id).values()]
  const firsts = byId.flatMap(same => same.slice(0, 1))
  for (const { home } of firsts) settle(home.path, home)
  return {
    value: Object.fromEntries(firsts.map(({ id, entry }) => [id, entry])),
    findings: byId.flatMap(([first, ...later]) =>
      first === undefined ? [] : later.map(({ home: { file } }) => twice(file, first.home)),
    ),
  }
}

function twice(file: ConfigFile, first: Home): PlacedFinding {
  const message = `is set at ${homeText(first)} already; keep one of them`
  return { file, finding: { path: first.path, message, at: 'key' } }
}

function notAllowed(main: ConfigFile, file: IncludedFile): readonly PlacedFinding[] {
  return partsOf(file)
    .filter(({ section }) => !file.may.includes(section))
    .map(({ section }) => ({
      file,
      finding: { path: [section], message: notAllowedText(main, file, section), at: 'key' },
    }))
}

function notAllowedText(main: ConfigFile, { may, namedAt }: IncludedFile, section: string): string {
  if (section === 'include') return `cannot be set by an included file; name every file in ${main.name}`
  const listed = may.map(each => `\`${each}\``).join(', ')
  if (!FORMS.has(section)) return `is not a known key.${didYouMean(section, may) || ` This file may set ${listed}.`}`
  const place = homeText({ file: main, path: [...namedAt, 'may'] })
  return `cannot be set by this file, which may set ${listed} (${place}); leave it out, or add it to \`may\` there`
}
