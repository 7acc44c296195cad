/**
 * Runs all checks of `sallyport doctor` on a configuration and on the machine where it would run, side by side.
 *
 * A new check is one function in a file of this folder, and one row in the table below.
 */
import type { Environment } from '../../config/read/environment.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Address } from '../../config/schema/schema.ts'
import { ConfigError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Services } from '../../run/services.ts'
import { load } from '../../run/start.ts'
import { callable } from '../revocation/admin-call.ts'
import { adminCheck } from './admin-check.ts'
import { descriptorsCheck } from './descriptors-check.ts'
import type { Check, Machine } from './examined.ts'
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
  /** `online`: it sends something to another program, and so runs only when that was asked for. */
  readonly network: 'none' | 'online'
}

const CHECKS: readonly Row[] = [
  { name: 'watch', check: watchCheck, network: 'none' },
  { name: 'writable', check: writtenCheck, network: 'none' },
  { name: 'memory', check: memoryCheck, network: 'none' },
  { name: 'descriptors', check: descriptorsCheck, network: 'none' },
  { name: 'port', check: portsCheck, network: 'none' },
  { name: 'admin', check: adminCheck, network: 'none' },
  { name: 'provider', check: providerCheck, network: 'online' },
  { name: 'upstream', check: upstreamCheck, network: 'online' },
  { name: 'store', check: storeCheck, network: 'online' },
  { name: 'traces', check: tracesCheck, network: 'online' },
  { name: 'through', check: throughCheck, network: 'none' },
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
}

export async function doctor(options: DoctorOptions, services: Services): Promise<readonly Finding[]> {
  const { file, env, network } = options
  const ofFile = await settled('file', () => fileFindings(file, env, services))
  const loaded = loadedOf(file, env)
  if (loaded === undefined)
    return [...ofFile, ...CHECKS.map(({ name }) => finding(name, undefined, skipped('the file has mistakes')))]
  const { config, contents } = loaded
  const own = config.admin?.listen.address
  const admin = options.admin ?? (own && (callable(own) ?? own))
  const examined = { ...options, config, files: [...contents.keys()], services, admin }
  const found = await Promise.all(
    CHECKS.map(async ({ name, check, network: needed }) =>
      needed === 'online' && network === 'offline'
        ? [finding(name, undefined, skipped('only with --online'))]
        : settled(name, () => check(examined)),
    ),
  )
  return [...ofFile, ...found.flat()]
}

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

function loadedOf(file: string, env: Environment) {
  try {
    return load(file, env, readAnyFile)
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}
