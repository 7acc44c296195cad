/**
 * Does everything that starting would do short of listening, and collects what it finds.
 *
 * It loads the file, reads the files that are named in it and compiles the policy; `online` also fetches keys and
 * connects to upstreams. The command decides whether a finding fails the check.
 */
import type { Environment } from '../../config/read/environment.ts'
import { type LoadedFiles, loadFilesForTool, type NamedFiles } from '../../config/read/load.ts'
import type { Config } from '../../config/schema/schema.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { Services } from '../../run/services.ts'
import { standIn } from '../engine/stand-in.ts'
import { readableSigningKeys } from './doubtful-internal-token.ts'
import { doubtfulSecrets } from './doubtful-secrets.ts'
import { type OnlineResult, onlineFindings } from './online.ts'
import { takenOver } from './taken-over.ts'
import { unwritableCaches } from './unwritable-caches.ts'
import { type Warning, type WarningCode, warnings } from './warnings.ts'

interface CheckOptions {
  readonly file: string
  readonly env: Environment
  readonly network: 'offline' | 'online'
  readonly namedFiles: NamedFiles
  /** Warnings with these codes are not reported. */
  readonly ignored: ReadonlySet<WarningCode>
}

/** A warning with its place. Its path begins at the root of its file. */
interface PlacedWarning extends Warning {
  readonly line: number
  readonly column: number
  /** The included file that it is about; absent when it is about the file that was asked for. */
  readonly file?: string
}

export interface CheckReport {
  readonly file: string
  readonly errors: readonly ConfigProblem[]
  /** The text is ready to print; it is empty when there are no errors. */
  readonly errorText: string
  readonly warnings: readonly PlacedWarning[]
  /** What the files say that have no errors, the one that was asked for first. */
  readonly texts: ReadonlyArray<{ readonly file: string; readonly text: string }>
  /** The list is empty when the network was not asked. */
  readonly online: readonly OnlineResult[]
  /** It is undefined when the file has errors. */
  readonly config: Config | undefined
}

export async function check(options: CheckOptions, services: Services): Promise<CheckReport> {
  const { file, env, network, namedFiles, ignored } = options
  try {
    const loaded = loadFilesForTool(file, env, namedFiles)
    const { config } = loaded
    const { policy } = standIn(config, services)
    const found = network === 'online' ? await onlineFindings(config, services) : { results: [], warnings: [] }
    const files =
      namedFiles === 'read'
        ? [...unwritableCaches(config), ...doubtfulSecrets(config), ...readableSigningKeys(config)]
        : []
    const reported = [...warnings(config, policy), ...takenOver(loaded, policy), ...files, ...found.warnings].filter(
      ({ code }) => !ignored.has(code),
    )
    return {
      file,
      errors: [],
      errorText: '',
      warnings: placed(reported, loaded),
      texts: loaded.files.map(({ name, text }) => ({ file: name, text })),
      online: found.results,
      config,
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return {
      file,
      errors: error.problems,
      errorText: error.message,
      warnings: [],
      texts: [],
      online: [],
      config: undefined,
    }
  }
}

/** Finds the places of warnings, in the order of the files and of their lines. */
function placed(found: readonly Warning[], { files, homeOf }: LoadedFiles): readonly PlacedWarning[] {
  return files.flatMap((file, index) =>
    found
      .flatMap(warning => {
        const home = homeOf(warning.path)
        if (home.file !== file) return []
        const { path } = home
        const { line, column } = file.source.position({ path, message: '' })
        return [{ ...warning, path, line, column, ...(index === 0 ? {} : { file: file.name }) }]
      })
      .toSorted((a, b) => a.line - b.line || a.column - b.column),
  )
}
