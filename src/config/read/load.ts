/**
 * Turns the text of a configuration into a `Config`, or throws a `ConfigError` with every problem in it.
 *
 * It reads values and their places (`source.ts`), also those of the files that are included (`included-files.ts`), and
 * puts them together (`joined-files.ts`), then checks shape and fills in defaults (`schema.ts`), then checks
 * rules that span keys (`cross-check.ts`) and the files that are named (`check-files.ts`). Nothing here decides what a
 * configuration means for a request, and nothing is fetched: only local files are read.
 */

import { resolve } from 'node:path'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import { UntrustedFile } from '../../lib/trusted-file.ts'
import { fileFindings } from '../check/check-files.ts'
import { crossCheck } from '../check/cross-check.ts'
import type { ReadFile } from '../check/file-judges.ts'
import { type Finding, findings, type Path, problemText } from '../check/findings.ts'
import { problemReport, reportOfFiles } from '../check/report.ts'
import { type Draft, draftOf } from '../schema/draft.ts'
import { withFilledInRevocation } from '../schema/filled-in-revocation.ts'
import { localPaths, withAbsolutePaths } from '../schema/local-paths.ts'
import { type Config, configSchema } from '../schema/schema.ts'
import { nearest } from '../schema/suggest.ts'
import { type ConfigFile, configFile, isBlock, textOf } from './config-file.ts'
import type { Environment } from './environment.ts'
import { type Home, homeText } from './homes.ts'
import { type IncludedFile, includedFiles } from './included-files.ts'
import { joinedFiles, type PlacedFinding } from './joined-files.ts'
import { readAnyFile } from './own-file.ts'
import { revokedFileProblem } from './revoked-file.ts'
import { withFittingTypes } from './second-reading.ts'
import { withTriedRemedies } from './tried-remedies.ts'
import { pathKey } from './yaml-values.ts'

interface LoadOptions {
  readonly text: string
  /** Problems print this name of the file, and relative paths in the text start at its folder. */
  readonly file: string
  /** `${NAME}` is looked up here. */
  readonly env: Environment
  /** Reads a file that the configuration names, by absolute path. By default it is read from disk, as tools do. */
  readonly readFile?: ReadFile
  /** `unread`: files that are named are neither read nor judged, but for included ones. Default `read`. */
  readonly namedFiles?: NamedFiles
  /** Left out, it is loaded for a gateway. */
  readonly use?: ConfigUse | undefined
}

/** What a configuration is loaded for, where that is no gateway. */
export interface ConfigUse {
  /** Fills in what a file for this use leaves out, or sets it otherwise. Paths are absolute, nothing is checked yet. */
  filledIn(value: unknown): unknown
  /** Finds what makes no sense in this use. */
  findings(draft: Draft): readonly Finding[]
}

export type NamedFiles = 'read' | 'unread'

/** A configuration that is right, and the files that it is made of. */
export interface LoadedFiles {
  readonly config: Config
  /** The file that was asked for comes first, then those that it includes. */
  readonly files: readonly ConfigFile[]
  /** Finds the file of a value of the configuration, and where it is in that file. */
  homeOf(path: Path): Home
}

/** Reads a text. @throws {ConfigError} with every problem, by file and in the order of the text */
export function loadConfig(options: LoadOptions): Config {
  return loadFiles(options).config
}

function loadFiles(options: LoadOptions): LoadedFiles {
  const { text, file, env, readFile = readAnyFile, namedFiles = 'read', use } = options

  const main = configFile(file, text, env)
  const ofMain = main.source.findings.map(finding => ({ file: main, finding }))
  // When the syntax is broken, values are guesses, and their problems would send the reader astray.
  if (main.source.isBroken) throw configError([main], ofMain)
  if (isNothing(main)) throw configError([main], [{ file: main, finding: { path: [], message: EMPTY_FILE } }])

  const included = includedFiles(main, env, readFile)
  const files = [main, ...included.files]
  const joined = joinedFiles(
    main,
    included.files.filter(({ source }) => !source.isBroken),
  )
  const written = withAbsolutePaths(
    withFittingTypes(joined, parse),
    LOCAL_PATHS,
    path => joined.homeOf(path).file.folder,
  )
  const value = use === undefined ? written : use.filledIn(written)
  const parsed = parse(value)
  const draft = draftOf(value)
  const further = [
    ...(parsed.success ? [] : findings(parsed.error)),
    ...crossCheck(draft),
    ...(use?.findings(draft) ?? []),
    ...fileFindings(draft, namedFiles === 'read' ? readFile : undefined, revokedFileProblem),
  ]
  const incomplete = new Set([...included.incomplete, ...joined.incomplete])
  const wrong = new Set([...wrongSections(further), ...sectionsLeftOut(draft, value), ...incomplete])
  const telling = further.filter(
    finding =>
      !isFollowUp(finding, joined.unread) &&
      !isAbsent(finding, value, incomplete) &&
      !(finding.about !== undefined && wrong.has(finding.about)),
  )
  const found = [
    ...files.flatMap(each => each.source.findings.map(finding => ({ file: each, finding }))),
    ...included.findings.map(finding => ({ file: main, finding })),
    ...included.files.flatMap(emptyFindings),
    ...joined.findings,
    ...withTriedRemedies(telling, value, parse).map(finding => placed(finding, joined.homeOf)),
  ]
  if (!parsed.success || found.length > 0) throw configError(files, found)
  return { config: deepFrozen(withFilledInRevocation(parsed.data)), files, homeOf: joined.homeOf }
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
 * Files that it includes are read, since they are a part of it.
 *
 * @throws {ConfigError} as {@link loadConfigFile}
 */
export function loadConfigForTool(file: string, env: Environment, namedFiles: NamedFiles): Config {
  return loadFilesForTool(file, env, namedFiles).config
}

/** Does what {@link loadConfigForTool} does, for a tool that points at places in the files. */
export function loadFilesForTool(file: string, env: Environment, namedFiles: NamedFiles): LoadedFiles {
  return loadFiles({ text: fileText(file, readAnyFile), file, env, namedFiles })
}

const LOCAL_PATHS = localPaths(configSchema)

const EMPTY_FILE =
  'the file is empty; it needs `listen`, `upstreams` and `routes` at least (`sallyport init` writes a start)'

const NO_FILE = 'check the path, or let `sallyport init` write a file to begin with'

function fileText(file: string, readFile: ReadFile): string {
  try {
    return textOf(resolve(file), readFile)
  } catch (error) {
    if (error instanceof UntrustedFile) throw fileError(file, `the file ${error.message}`)
    const message =
      codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA'
        ? 'the file is not UTF-8; save it as UTF-8'
        : `the file cannot be read: ${fileFailureText(error)}; ${codeOf(error) === 'ENOENT' ? NO_FILE : 'check the path and the permissions'}`
    throw fileError(file, message)
  }
}

function fileError(file: string, message: string): ConfigError {
  return new ConfigError([{ path: [], message }], problemReport(file, '', [{ path: [], message }]))
}

function parse(value: unknown) {
  return configSchema.safeParse(value, { error: problemText })
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

/** Is true of what is missing because a part of its section could not be read. */
function isAbsent({ path }: Finding, value: unknown, incomplete: ReadonlySet<string>): boolean {
  const [section, ...rest] = path
  if (typeof section !== 'string' || rest.length > 0 || !incomplete.has(section)) return false
  const written: unknown = isBlock(value) ? value[section] : undefined
  return written === undefined || (typeof written === 'object' && Object.keys(Object(written)).length === 0)
}

function isNothing({ source: { value } }: ConfigFile): boolean {
  return value === undefined || value === null
}

function emptyFindings(file: IncludedFile): readonly PlacedFinding[] {
  if (file.source.isBroken || isBlock(file.source.value)) return []
  const message = isNothing(file)
    ? 'the file is empty; write `{}` into a file that sets nothing yet'
    : 'the file must be a block of keys'
  return [{ file, finding: { path: [], message } }]
}

/** Finds the file of a finding, and says where the other place is if that is in another file. */
function placed(finding: Finding, homeOf: LoadedFiles['homeOf']): PlacedFinding {
  const { file, path } = homeOf(finding.path)
  const other = finding.other && homeOf(finding.other)
  const message =
    other === undefined || other.file === file ? finding.message : `${finding.message} (it is at ${homeText(other)})`
  return { file, finding: { ...finding, path, message } }
}

function configError(files: readonly ConfigFile[], found: readonly PlacedFinding[]): ConfigError {
  const [main] = files
  const byFile = files.map(file => {
    const problems = found.flatMap((each): ConfigProblem[] => {
      if (each.file !== file) return []
      const { path, message } = each.finding
      const place = file.source.position(each.finding)
      return [{ path, message, ...place, ...(file === main ? {} : { file: file.name }) }]
    })
    const inOrder = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
    return { file: file.name, text: file.text, problems: inOrder }
  })
  return new ConfigError(
    byFile.flatMap(({ problems }) => problems),
    reportOfFiles(byFile),
  )
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const item of Object.values(value)) deepFrozen(item)
  return Object.freeze(value)
}
