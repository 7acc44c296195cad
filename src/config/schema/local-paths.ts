/**
 * Finds which values of a configuration are paths of this machine, and makes them absolute.
 *
 * The schema marks such values, so a new one is known by its mark and not by the name of its key. A test goes through
 * the marks, too, and asks of each file that it is checked and watched. Values are changed as they are written, before
 * the schema reads them, since what it makes of them has another shape.
 */
import { resolve } from 'node:path'
import * as z from 'zod'

interface Mark {
  /** An `output` is a file that is written and never read. Of a `folder`, the files in it are read. */
  readonly kind: 'file' | 'folder' | 'output' | 'socket'
  /** Makes the path in the text absolute. A text that the schema refuses stays as it is. */
  readonly absolute: (text: string, folder: string) => string
}

/** Where marked values stand, and what they are. */
interface LocalPath extends Mark {
  readonly steps: readonly Step[]
}

/** One step towards a value. `each` goes to every entry; `when` goes on only where `key` has one of the values. */
type Step =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'each' }
  | { readonly kind: 'when'; readonly key: string; readonly values: ReadonlySet<unknown> }

const marks = z.registry<Mark>()
const UNIX = 'unix:'
/** Stands in place of a path. */
export const STANDARD_OUTPUT = 'stdout'

/** Marks text that is the path of a file. */
export function markedFile<T extends z.ZodType>(schema: T): T {
  marks.add(schema, { kind: 'file', absolute: absolutePath })
  return schema
}

/** Marks text that is the path of a folder. */
export function markedFolder<T extends z.ZodType>(schema: T): T {
  marks.add(schema, { kind: 'folder', absolute: absolutePath })
  return schema
}

/** Marks text that may be `unix:` and the path of a socket. */
export function markedAddress<T extends z.ZodType>(schema: T): T {
  marks.add(schema, {
    kind: 'socket',
    absolute: (text, folder) => (text.startsWith(UNIX) ? UNIX + absolutePath(text.slice(UNIX.length), folder) : text),
  })
  return schema
}

/** Marks text that is the path of a file to write, or `stdout`. */
export function markedOutput<T extends z.ZodType>(schema: T): T {
  marks.add(schema, {
    kind: 'output',
    absolute: (text, folder) => (text === STANDARD_OUTPUT ? text : absolutePath(text, folder)),
  })
  return schema
}

function absolutePath(path: string, folder: string): string {
  return path === '' ? path : resolve(folder, path)
}

/** Lists every marked value of a schema. */
export function localPaths(schema: z.core.$ZodType): readonly LocalPath[] {
  return [...walk(schema, [])]
}

/** Says at which folder a relative path begins that stands at a place: that of the file in which it is written. */
type FolderAt = (place: ReadonlyArray<string | number>) => string

/** @param value as it is written; what does not fit the schema stays as it is */
export function withAbsolutePaths(value: unknown, paths: readonly LocalPath[], folderAt: FolderAt): unknown {
  return paths.reduce<unknown>(
    (changed, { steps, absolute }) =>
      changedAt({ value: changed, place: [] }, steps, (text, place) => absolute(text, folderAt(place))),
    value,
  )
}

function* walk(schema: z.core.$ZodType, steps: readonly Step[]): Generator<LocalPath> {
  const mark = schema instanceof z.ZodType ? marks.get(schema) : undefined
  if (mark !== undefined) yield { steps, ...mark }
  else if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    yield* walk(schema.unwrap(), steps)
  else if (schema instanceof z.ZodPipe) yield* walk(schema.in, steps)
  else if (schema instanceof z.ZodArray) yield* walk(schema.element, [...steps, { kind: 'each' }])
  else if (schema instanceof z.ZodRecord) yield* walk(schema.valueType, [...steps, { kind: 'each' }])
  else if (schema instanceof z.ZodObject)
    for (const [key, inner] of Object.entries(schema.shape)) yield* walk(inner, [...steps, { kind: 'key', key }])
  else if (schema instanceof z.ZodUnion)
    for (const member of schema.options) yield* walk(member, [...steps, ...conditions(schema, member)])
}

/** Members of a union that is told apart by a key hold only where the key names them. */
function conditions(union: z.ZodUnion, member: z.core.$ZodType): readonly Step[] {
  if (!(union instanceof z.ZodDiscriminatedUnion)) return []
  const { discriminator: key } = union.def
  const values = member._zod.propValues?.[key]
  return values === undefined ? [] : [{ kind: 'when', key, values }]
}

interface Placed {
  readonly value: unknown
  readonly place: ReadonlyArray<string | number>
}

function changedAt(
  { value, place }: Placed,
  steps: readonly Step[],
  change: (text: string, place: Placed['place']) => string,
): unknown {
  const [step, ...rest] = steps
  if (step === undefined) return typeof value === 'string' ? change(value, place) : value
  if (typeof value !== 'object' || value === null) return value
  if (step.kind === 'when')
    return step.values.has(Object(value)[step.key]) ? changedAt({ value, place }, rest, change) : value
  const changed = (member: unknown, key: string | number): unknown =>
    step.kind === 'each' || step.key === key
      ? changedAt({ value: member, place: [...place, key] }, rest, change)
      : member
  if (Array.isArray(value)) return step.kind === 'each' ? value.map(changed) : value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, changed(member, key)]))
}
