/**
 * Does everything that starting would do short of listening, and collects what it finds.
 *
 * It loads the file, reads the files that are named in it and compiles the policy; `online` also fetches keys and
 * connects to upstreams. The command decides whether a finding fails the check.
 */
import { readFileSync } from 'node:fs'
import type { Environment } from '../../config/read/environment.ts'
import { loadConfigForTool, type NamedFiles } from '../../config/read/load.ts'
import { readSource } from '../../config/read/source.ts'
import type { Config } from '../../config/schema/schema.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { Services } from '../../run/services.ts'
import { standIn } from '../engine/stand-in.ts'
import { doubtfulSecrets } from './doubtful-secrets.ts'
import { type OnlineResult, onlineFindings } from './online.ts'
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

interface PlacedWarning extends Warning {
  readonly line: number
  readonly column: number
}

export interface CheckReport {
  readonly file: string
  readonly errors: readonly ConfigProblem[]
  /** The text is ready to print; it is empty when there are no errors. */
  readonly errorText: string
  readonly warnings: readonly PlacedWarning[]
  /** The list is empty when the network was not asked. */
  readonly online: readonly OnlineResult[]
  /** It is undefined when the file has errors. */
  readonly config: Config | undefined
}

export async function check(options: CheckOptions, services: Services): Promise<CheckReport> {
  const { file, env, network, namedFiles, ignored } = options
  try {
    const config = loadConfigForTool(file, env, namedFiles)
    const { policy } = standIn(config, services)
    const found = network === 'online' ? await onlineFindings(config, services) : { results: [], warnings: [] }
    const files = namedFiles === 'read' ? [...unwritableCaches(config), ...doubtfulSecrets(config)] : []
    const reported = [...warnings(config, policy), ...files, ...found.warnings].filter(({ code }) => !ignored.has(code))
    return {
      file,
      errors: [],
      errorText: '',
      warnings: placed(reported, file, env),
      online: found.results,
      config,
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { file, errors: error.problems, errorText: error.message, warnings: [], online: [], config: undefined }
  }
}

function placed(found: readonly Warning[], file: string, env: Environment): readonly PlacedWarning[] {
  if (found.length === 0) return []
  const { position } = readSource(readFileSync(file, 'utf8').replace(/^\ufeff/, ''), env)
  return found
    .map(warning => ({ ...warning, ...position({ path: warning.path, message: '' }) }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
}
