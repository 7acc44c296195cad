/**
 * Turns the text of a configuration into a `Config`, or throws a `ConfigError` with every problem in it.
 *
 * It reads values and their places (`source.ts`), then checks shape and fills in defaults (`schema.ts`), then checks
 * rules that span keys (`cross-check.ts`) and the files that are named (`check-files.ts`). Nothing here decides what a
 * configuration means for a request, and nothing is fetched: only local files are read.
 */

import { dirname, resolve } from 'node:path'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import { UntrustedFile } from '../../lib/trusted-file.ts'
import { fileFindings } from '../check/check-files.ts'
import { crossCheck } from '../check/cross-check.ts'
import type { ReadFile } from '../check/file-judges.ts'
import { type Finding, findings, type Path, problemText } from '../check/findings.ts'
import { problemReport } from '../check/report.ts'
import { type Draft, draftOf } from '../schema/draft.ts'
import { withFilledInRevocation } from '../schema/filled-in-revocation.ts'
import { localPaths, withAbsolutePaths } from '../schema/local-paths.ts'
import { type Config, configSchema } from '../schema/schema.ts'
import { nearest } from '../schema/suggest.ts'
import type { Environment } from './environment.ts'
import { readAnyFile } from './own-file.ts'
import { revokedFileProblem } from './revoked-file.ts'
import { readSource, type Source } from './source.ts'
import { pathKey } from './yaml-values.ts'

interface LoadOptions {
  readonly text: string
  /** Problems print this name of the file, and relative paths in the text start at its folder. */
  readonly file: string
  /** `${NAME}` is looked up here. */
  readonly env: Environment
  /** Reads a file that the configuration names, by absolute path. By default it is read from disk, as tools do. */
  readonly readFile?: ReadFile
  /** `unread`: the files that the configuration names are neither read nor judged. Default `read`. */
  readonly namedFiles?: NamedFiles
  /** Left out, it is loaded for a gateway. */
  readonly use?: ConfigUse | undefined
}

/** What a configuration is loaded for, where that is no gateway. */
export interface ConfigUse {
  /** Fills in what a file for this use leaves out, before anything is checked. */
  filledIn(value: unknown): unknown
  /** Finds what makes no sense in this use. */
  findings(draft: Draft): readonly Finding[]
}

export type NamedFiles = 'read' | 'unread'

/** Reads a text. @throws {ConfigError} with every problem, in the order of the text */
export function loadConfig(options: LoadOptions): Config {
  const { text, file, env, readFile = readAnyFile, namedFiles = 'read', use } = options

  const folder = dirname(resolve(file))
  const withoutMark = text.replace(/^\ufeff/, '')
  const source = readSource(withoutMark, env)
  // When the syntax is broken, values are guesses, and their problems would send the reader astray.
  if (source.isBroken) throw configError(file, withoutMark, source, source.findings)
  if (source.value === undefined || source.value === null)
    throw configError(file, withoutMark, source, [{ path: [], message: EMPTY_FILE }])

  const value = withAbsolutePaths(
    withFittingTypes({ ...source, value: filledIn(withoutExtensions(source.value), use) }),
    LOCAL_PATHS,
    folder,
  )
  const parsed = parse(value)
  const draft = draftOf(value)
  const unread = new Set(source.findings.flatMap(({ path, at }) => (at === 'key' ? [] : [pathKey(path)])))
  const further = [
    ...(parsed.success ? [] : findings(parsed.error)),
    ...crossCheck(draft),
    ...(use?.findings(draft) ?? []),
    ...fileFindings(draft, namedFiles === 'read' ? readFile : undefined, revokedFileProblem),
  ]
  const wrong = new Set([...wrongSections(further), ...sectionsLeftOut(draft, value)])
  const telling = further.filter(
    finding => !isFollowUp(finding, unread) && !(finding.about !== undefined && wrong.has(finding.about)),
  )
  const found = [...source.findings, ...withTriedRemedies(telling, value)]
  if (!parsed.success || found.length > 0) throw configError(file, withoutMark, source, found)
  return deepFrozen(withFilledInRevocation(parsed.data))
}

/**
 * Reads a file.
 *
 * @param readFile reads the file itself and those that it names, by absolute path
 * @throws {ConfigError} the file cannot be read, or {@link loadConfig} refuses it
 */
export function loadConfigFile(
  file: string,
  env: Environment,
  readFile: ReadFile = readAnyFile,
  use?: ConfigUse | undefined,
): Config {
  return loadConfig({ text: fileText(file, readFile), file, env, readFile, use })
}

/**
 * Reads a file for a tool that may leave out what exists only where the gateway runs: secrets, certificates and tokens.
 *
 * @throws {ConfigError} as {@link loadConfigFile}
 */
export function loadConfigForTool(file: string, env: Environment, namedFiles: NamedFiles): Config {
  return loadConfig({ text: fileText(file, readAnyFile), file, env, namedFiles })
}

const LOCAL_PATHS = localPaths(configSchema)

const EMPTY_FILE =
  'the file is empty; it needs `listen`, `upstreams` and `routes` at least (`sallyport init` writes a start)'

const EXTENSION = 'x-'

function fileText(file: string, readFile: ReadFile): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFile(resolve(file)))
  } catch (error) {
    if (error instanceof UntrustedFile) throw fileError(file, `the file ${error.message}`)
    const message =
      codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA'
        ? 'the file is not UTF-8; save it as UTF-8'
        : `the file cannot be read: ${fileFailureText(error)}; check the path and the permissions`
    throw fileError(file, message)
  }
}

function fileError(file: string, message: string): ConfigError {
  return new ConfigError([{ path: [], message }], problemReport(file, '', [{ path: [], message }]))
}

function parse(value: unknown) {
  return configSchema.safeParse(value, { error: problemText })
}

function filledIn(value: unknown, use: ConfigUse | undefined): unknown {
  return use === undefined ? value : use.filledIn(value)
}

/** Leaves out the keys `x-…` at the top level, which are a place for anchors. */
function withoutExtensions(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith(EXTENSION)))
}

/** Takes the other reading of a value from the environment where the type of the first is wrong. */
function withFittingTypes({ value, rereadings }: Source): unknown {
  const { error } = rereadings.length === 0 ? {} : parse(value)
  if (error === undefined) return value
  const wrong = new Set(findings(error).flatMap(finding => (finding.wrong === 'type' ? [pathKey(finding.path)] : [])))
  return rereadings
    .filter(({ path }) => wrong.has(pathKey(path)))
    .reduce<unknown>((changed, { path, value: other }) => replaced(changed, path, other), value)
}

function replaced(value: unknown, path: ReadonlyArray<string | number>, leaf: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return leaf
  if (Array.isArray(value)) return value.map((item, index) => (index === step ? replaced(item, rest, leaf) : item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === step ? replaced(item, rest, leaf) : item]),
  )
}

/** Is true when the finding is about a value that could not be read, which has been reported already. */
function isFollowUp({ path }: Finding, unread: ReadonlySet<string>): boolean {
  return path.some((_, index) => unread.has(pathKey(path.slice(0, index + 1))))
}

/** Finds sections that are there in another form or under a misspelled name. What refers to them may be right. */
function wrongSections(found: readonly Finding[]): ReadonlySet<string> {
  const sections = Object.keys(configSchema.shape)
  return new Set(
    found.flatMap(({ path: [section, ...rest], at }) =>
      typeof section !== 'string' || rest.length > 0
        ? []
        : at === 'key' && !sections.includes(section)
          ? (nearest(section, sections) ?? [])
          : section,
    ),
  )
}

/** Lists sections that are there but left out of the draft, because something in them is wrong. */
function sectionsLeftOut(draft: Draft, value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const written = new Set(Object.keys(value))
  return Object.entries(draft).flatMap(([name, section]) => (section === undefined && written.has(name) ? [name] : []))
}

/** No report shows more problems, and each remedy copies what is around it. */
const MOST_REMEDIES = 50

/** Tries the remedies of findings. What would be wrong then is told at once, and not when they have been taken. */
function withTriedRemedies(found: readonly Finding[], value: unknown): readonly Finding[] {
  const tried = found.filter(finding => remedied(finding, value) !== undefined).slice(0, MOST_REMEDIES)
  if (tried.length === 0) return found
  const changed = tried.reduce((all, finding) => replaced(all, finding.path, remedied(finding, value)), value)
  const { error } = parse(changed)
  const left = error === undefined ? [] : findings(error)
  return found.flatMap(finding => {
    const next = tried.includes(finding) ? left.find(({ path }) => isAtOrBelow(path, finding.path)) : undefined
    if (next === undefined) return [finding]
    const placed = { ...next, path: finding.path }
    return next.path.length === finding.path.length ? [placed] : [finding, placed]
  })
}

/** Returns what the remedy makes of the value: the same in quotes, or in a list. */
function remedied({ path, wanted }: Finding, value: unknown): unknown {
  const given = wanted === undefined ? null : path.reduce<unknown>(memberOf, value)
  if (given === null || typeof given === 'object') return undefined
  return wanted === 'text' ? String(given) : [given]
}

function memberOf(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string | number, unknown>>)[step]
    : null
}

function isAtOrBelow(path: Path, above: Path): boolean {
  return above.every((step, depth) => step === path[depth])
}

function configError(file: string, text: string, source: Source, found: readonly Finding[]): ConfigError {
  const problems = found.map(
    (finding): ConfigProblem => ({ path: finding.path, message: finding.message, ...source.position(finding) }),
  )
  const inOrder = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
  return new ConfigError(inOrder, problemReport(file, text, inOrder))
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const item of Object.values(value)) deepFrozen(item)
  return Object.freeze(value)
}
