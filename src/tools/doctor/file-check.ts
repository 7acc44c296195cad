/** Says what `sallyport check` finds in the file, and whether the gateway, which is stricter, would read it at all. */
import { pathText } from '../../config/check/report.ts'
import type { Environment } from '../../config/read/environment.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import { load } from '../../run/engine.ts'
import type { Services } from '../../run/services.ts'
import { check } from '../check/check.ts'
import { type Finding, fail, finding, ok, warn } from './finding.ts'

const CHECKING = 'src/tools/README.md#sallyport-check'

export async function fileFindings(file: string, env: Environment, services: Services): Promise<readonly Finding[]> {
  const { errors, warnings } = await check(
    { file, env, network: 'offline', namedFiles: 'read', ignored: new Set() },
    services,
  )
  const problems = errors.length > 0 ? errors : problemsOfGateway(file, env)
  const failures = problems.map(problem =>
    fail(placed(file, problem), 'correct the file, then run this again', CHECKING),
  )
  const doubts = warnings.map(warning =>
    warn(placed(file, warning), `see whether that is meant; \`sallyport check\` knows it as ${warning.code}`, CHECKING),
  )
  const all = [...failures, ...doubts]
  const verdicts = all.length === 0 ? [ok(`${file} is a good configuration`)] : all
  return verdicts.map(verdict => finding('file', undefined, verdict))
}

/** The gateway reads no file that others may write, which tools do. */
function problemsOfGateway(file: string, env: Environment): readonly ConfigProblem[] {
  try {
    load(file, env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

function placed(asked: string, { path, message, line, column, file = asked }: ConfigProblem): string {
  const place = line === undefined ? `${file}:` : `${file}:${line}:${column}`
  return `${place} ${path.length === 0 ? '' : `${pathText(path)}: `}${message.replaceAll(/\s+/g, ' ')}`
}
