/**
 * Reads the files that a configuration includes, each as a file of its own: its syntax, its places, its problems.
 *
 * A relative name begins at the folder of the file that includes. A file that is missing is an error, as any file that
 * the configuration names: whoever mounts it later begins with one that sets nothing. What the files say together is
 * put together by `joined-files.ts`.
 */
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import * as z from 'zod'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import { UntrustedFile } from '../../lib/trusted-file.ts'
import type { ReadFile } from '../check/file-judges.ts'
import type { Finding, Path } from '../check/findings.ts'
import { configSchema } from '../schema/schema.ts'
import { type ConfigFile, configFile, isBlock, textOf } from './config-file.ts'
import type { Environment } from './environment.ts'
import { withFittingTypes } from './second-reading.ts'

export interface IncludedFile extends ConfigFile {
  /** The keys of the top level that the file may set. */
  readonly may: readonly string[]
  /** Where the including file names it. */
  readonly namedAt: Path
}

interface Included {
  /** Every file that could be read, in the order in which they are named. */
  readonly files: readonly IncludedFile[]
  /** What is wrong with the names, in the including file. */
  readonly findings: readonly Finding[]
  /** Sections that a file might set that cannot be read. */
  readonly incomplete: ReadonlySet<string>
}

/** @param main the file that includes */
export function includedFiles(main: ConfigFile, env: Environment, readFile: ReadFile): Included {
  const { value, rereadings } = main.source
  const parse = (read: unknown) => INCLUDING.safeParse(read)
  const fitting = withFittingTypes({ value, rereadings: rereadings.filter(({ path }) => path[0] === 'include') }, parse)
  const entries: unknown = isBlock(fitting) ? fitting.include : undefined
  if (entries === undefined) return { files: [], findings: [], incomplete: new Set() }
  const files: IncludedFile[] = []
  const findings: Finding[] = []
  const incomplete = new Set<string>()
  const paths = new Map([[resolve(main.name), 'is this file itself; leave it out']])
  for (const [index, entry] of (Array.isArray(entries) ? entries : [undefined]).entries()) {
    const { data } = ENTRY.safeParse(entry)
    if (data === undefined) {
      // What is wrong with the entry is told by the schema. The file could set anything.
      for (const section of SECTIONS) incomplete.add(section)
      continue
    }
    const name = isAbsolute(data.file) ? data.file : join(dirname(main.name), data.file)
    const path = resolve(main.folder, data.file)
    const namedAt = ['include', index]
    const message = paths.get(path)
    paths.set(path, 'is included already; leave it out here')
    const read = message === undefined ? readOne(name, path, readFile) : { message }
    if (read.message === undefined) files.push({ ...configFile(name, read.text, env), may: data.may, namedAt })
    else findings.push({ path: [...namedAt, 'file'], message: read.message })
    if (read.message !== undefined || !saysSomething(files.at(-1)))
      for (const section of data.may) incomplete.add(section)
  }
  return { files, findings, incomplete }
}

const { include: includeSchema, ...sections } = configSchema.shape
const SECTIONS = Object.keys(sections)
const ENTRY = includeSchema.unwrap().element
const INCLUDING = z.looseObject({ include: includeSchema })

function saysSomething(file: ConfigFile | undefined): boolean {
  return file !== undefined && !file.source.isBroken && isBlock(file.source.value)
}

type ReadOne = { readonly text: string; readonly message?: undefined } | { readonly message: string }

function readOne(name: string, path: string, readFile: ReadFile): ReadOne {
  try {
    return { text: textOf(path, readFile) }
  } catch (error) {
    if (error instanceof UntrustedFile) return { message: error.message }
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return { message: `is not UTF-8; save ${basename(name)} as UTF-8` }
    const remedy = 'check the path, which starts at the folder of this file, and the permissions'
    const start = codeOf(error) === 'ENOENT' ? '; a file that is to set nothing yet holds `{}`' : ''
    return { message: `cannot be read: ${fileFailureText(error)}; ${remedy}${start}` }
  }
}
