/**
 * Finds out whether the store can be used, and whether it keeps what is written to it.
 *
 * Redis and Valkey: `INFO` tells version, eviction policy and persistence. A store that evicts keys, or forgets them
 * with a restart, forgets who has been revoked.
 */
import type { StoreConfig } from '../../config/schema/schema.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { storeDefinition } from '../../run/store-definition.ts'
import { StoreError, storeError } from '../../store/failure.ts'
import { store } from '../../store/store.ts'
import { storeResults } from '../check/online-store.ts'
import type { Check, Examined } from './examined.ts'
import { fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { StepTooLong, step } from './steps.ts'

const STORE = 'config/README.md#store'
const SECURING = 'config/README.md#sizing-and-securing-the-store'

export const storeCheck: Check = async examined => {
  const { store: block } = examined.config
  if (block === undefined) return [finding('store', undefined, skipped('the configuration has no store'))]
  const facts = await factVerdicts(block, examined)
  // A store that cannot be reached says nothing about rights either.
  const isReached = facts.every(({ outcome }) => outcome !== 'fail')
  const rights = isReached ? await rightsVerdicts(examined) : []
  return [...facts, ...rights].map(verdict => finding('store', `store ${block.url.host}:${block.url.port}`, verdict))
}

async function rightsVerdicts({ config, stepMs }: Examined): Promise<readonly Verdict[]> {
  try {
    const results = await step(stepMs, () => storeResults(config))
    return results.map(({ detail, outcome }) =>
      outcome === 'ok' ? ok(detail) : fail(`the store ${detail}`, 'correct `store`, or the rights of its user', STORE),
    )
  } catch (error) {
    if (!(error instanceof StepTooLong)) throw error
    return [fail(`of the store ${error.message}`, 'see that the store runs', STORE)]
  }
}

async function factVerdicts(block: StoreConfig, { stepMs }: Examined): Promise<readonly Verdict[]> {
  const deps = { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} }
  try {
    return await step(stepMs, async () => {
      const connection = await store(storeDefinition(block), deps).connect()
      try {
        return infoVerdicts(fieldsOf(String(await connection.send(['INFO']))))
      } finally {
        connection.close()
      }
    })
  } catch (error) {
    const { code, message } = error instanceof StepTooLong ? new StoreError(error.message) : storeError(error)
    if (code === 'NOPERM') return [skipped('this user may not ask how the store is set up, which takes `+info`')]
    return [fail(`the store ${message}`, 'see that the store runs, and correct `store`', STORE)]
  }
}

type Fields = ReadonlyMap<string, string>

/** Reads lines like `redis_version:7.0.15`. */
function fieldsOf(info: string): Fields {
  return new Map(
    info.split(/\r?\n/).flatMap(line => {
      const [, name, value] = /^(\w+):(.*)$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value] as const]
    }),
  )
}

function infoVerdicts(fields: Fields): readonly Verdict[] {
  return [versionVerdict(fields), ...evictionVerdicts(fields), ...persistenceVerdicts(fields), ...roleVerdicts(fields)]
}

const LEAST = { valkey: [7, 2], redis: [6, 2] } as const

/** Valkey also calls itself a Redis of the version that it began with. */
function versionVerdict(fields: Fields): Verdict {
  const kind = fields.has('valkey_version') ? 'valkey' : 'redis'
  const version = /^\d+\.\d+[\d.]*/.exec(fields.get(`${kind}_version`) ?? '')?.[0]
  if (version === undefined) return skipped('the store does not say which version it has')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor, leastMinor] = LEAST[kind]
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(`${kind} ${version} answers`)
  return fail(`${kind} ${version} is too old`, `use ${kind} from ${leastMajor}.${leastMinor}`, STORE)
}

function evictionVerdicts(fields: Fields): readonly Verdict[] {
  const policy = /^[a-z-]{1,32}$/.exec(fields.get('maxmemory_policy') ?? '')?.[0]
  if (policy === undefined || policy === 'noeviction') return []
  const seen = `its policy is ${policy}: with \`maxmemory\` it drops revocations, proofs, sessions or what limits have counted when memory is short`
  return [warn(seen, 'set `maxmemory-policy noeviction`', SECURING)]
}

function persistenceVerdicts(fields: Fields): readonly Verdict[] {
  if (fields.get('aof_enabled') !== '0') return []
  return [warn('it writes nothing down at once, so a restart loses revocations', 'set `appendonly yes`', SECURING)]
}

function roleVerdicts(fields: Fields): readonly Verdict[] {
  if (fields.get('role') !== 'slave') return []
  return [
    fail('it is a replica, which takes no writes', 'name the master, or its sentinels by `topology: sentinel`', STORE),
  ]
}
