/**
 * What a running gateway cannot change: the listeners, and how many processes share them.
 *
 * They are text, because a worker compares its own with those of the process that started it.
 */

import { problemReport } from '../config/check/report.ts'
import type { Config } from '../config/schema/schema.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'

/** Each setting with its value as JSON: two of them are equal exactly when no restart is needed. */
export type StartSettings = ReadonlyArray<{ readonly path: ConfigProblem['path']; readonly json: string | undefined }>

export function startSettings({ listen, decide, admin, workers }: Config): StartSettings {
  return [
    { path: ['listen', 'address'], json: JSON.stringify(listen?.address) },
    { path: ['listen', 'mode'], json: JSON.stringify(listen?.mode) },
    { path: ['listen', 'tls'], json: JSON.stringify(listen?.tls) },
    { path: ['decide'], json: JSON.stringify(decide) },
    { path: ['admin'], json: JSON.stringify(admin) },
    { path: ['workers'], json: JSON.stringify(workers) },
  ]
}

/** @throws {ConfigError} `next` needs a restart */
export function rejectWhatNeedsRestart(file: string, started: StartSettings, next: Config): void {
  const problems = startSettings(next).flatMap(({ path, json }, index): ConfigProblem[] =>
    json === started[index]?.json ? [] : [{ path, message: 'was changed, which needs a restart; nothing was applied' }],
  )
  if (problems.length > 0) throw new ConfigError(problems, problemReport(file, '', problems))
}
