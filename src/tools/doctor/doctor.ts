/**
 * Runs all checks of `sallyport doctor` on a configuration and on the machine where it would run, side by side.
 *
 * A new check is one function in a file of this folder, and one row in the table below.
 */
import { resolve } from 'node:path'
import type { Environment } from '../../config/read/environment.ts'
import { loadConfigForTool } from '../../config/read/load.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Address } from '../../config/schema/schema.ts'
import { ConfigError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { load } from '../../run/engine.ts'
import type { Services } from '../../run/services.ts'
import { callable } from '../admin/addresses.ts'
import type { HostPort } from '../snippet/site.ts'
import { adminCheck } from './admin-check.ts'
import { descriptorsCheck } from './descriptors-check.ts'
import type { Check, Examined, Machine } from './examined.ts'
import { fileFindings } from './file-check.ts'
import { type CheckName, type Finding, fail, finding, skipped } from './finding.ts'
import { memoryCheck } from './memory-check.ts'
import { portsCheck } from './ports-check.ts'
import { providerCheck } from './provider-check.ts'
import { storeCheck } from './store-check.ts'
import { throughCheck } from './through-check.ts'
import { tracesCheck } from './traces-check.ts'
import { upstreamCheck } from './upstream-check.ts'
import { watchCheck } from './watch-check.ts'
import { writtenCheck } from './written-check.ts'

interface Row {
  /** What its findings are called where it cannot run. */
  readonly name: CheckName
  readonly check: Check
  /**
   * `text`: the configuration itself. `files`: also those that it names have to be good. `network`: it asks other
   * programs besides, and so runs only when that was asked for.
   */
  readonly needs: 'text' | 'files' | 'network'
}

const CHECKS: readonly Row[] = [
  { name: 'watch', check: watchCheck, needs: 'text' },
  { name: 'writable', check: writtenCheck, needs: 'text' },
  { name: 'memory', check: memoryCheck, needs: 'text' },
  { name: 'descriptors', check: descriptorsCheck, needs: 'text' },
  { name: 'port', check: portsCheck, needs: 'text' },
  { name: 'admin', check: adminCheck, needs: 'text' },
  { name: 'provider', check: providerCheck, needs: 'network' },
  { name: 'upstream', check: upstreamCheck, needs: 'network' },
  { name: 'store', check: storeCheck, needs: 'network' },
  { name: 'traces', check: tracesCheck, needs: 'network' },
  { name: 'through', check: throughCheck, needs: 'files' },
]

interface DoctorOptions {
  readonly file: string
  readonly env: Environment
  readonly network: 'offline' | 'online'
  readonly machine: Machine
  readonly clock: Clock
  readonly stepMs: number
  /** Default: that of the configuration. */
  readonly admin: Address | undefined
  readonly through: URL | undefined
  readonly serviceListen: HostPort | undefined
}

export async function doctor(options: DoctorOptions, services: Services): Promise<readonly Finding[]> {
  const { file, env, network } = options
  const ofFile = await settled('file', () => fileFindings(file, env, services))
  const loaded = loadedOf(file, env)
  if (loaded === undefined) return [...ofFile, ...CHECKS.map(({ name }) => finding(name, undefined, skipped(MISTAKES)))]
  const own = loaded.config.admin?.listen.address
  const admin = options.admin ?? (own && (callable(own) ?? own))
  const examined = { ...options, ...loaded, services, admin }
  const found = await Promise.all(
    CHECKS.map(async ({ name, check, needs }) => {
      if (needs === 'network' && network === 'offline') return [finding(name, undefined, skipped('only with --online'))]
      if (needs !== 'text' && !loaded.isWhole) return [finding(name, undefined, skipped(MISTAKES))]
      return settled(name, () => check(examined))
    }),
  )
  return [...ofFile, ...found.flat()]
}

const MISTAKES = 'the file has mistakes'

/** A check that ends with a bug takes no other one along: who calls a doctor has trouble enough. */
async function settled(name: CheckName, run: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await run()
  } catch (error) {
    const what = error instanceof Error ? `${error.name}${'code' in error ? ` ${error.code}` : ''}` : 'something'
    const seen = `the check itself ended with ${what}, which is a mistake in Sallyport`
    return [
      finding(name, undefined, fail(seen, 'report it, with your version', 'src/tools/README.md#sallyport-bundle')),
    ]
  }
}

type Loaded = Pick<Examined, 'config' | 'files' | 'isWhole'>

/** @returns undefined when the text itself has mistakes */
function loadedOf(file: string, env: Environment): Loaded | undefined {
  try {
    const { config, contents } = load(file, env, readAnyFile)
    return { config, files: [...contents.keys()], isWhole: true }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
  try {
    const config = loadConfigForTool(file, env, 'unread')
    const included = (config.include ?? []).map(each => each.file)
    return { config, files: [resolve(file), ...included], isWhole: false }
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}
