/**
 * Keeps the ledger of limits in Redis or Valkey, where all gateways with the same store share it.
 *
 * There is one connection, which is kept open in the background; while there is none nothing waits for it. The server
 * counts by its own clock, runs each question whole, and forgets a key a second after it has paid for everything. One
 * that evicts keys forgets debts early, so it has to have `maxmemory-policy noeviction`.
 */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Reply } from '../store/connection.ts'
import { StoreError } from '../store/failure.ts'
import { type ConnectionObserver, reconnection } from '../store/reconnection.ts'
import { run, type Script, script } from '../store/script.ts'
import type { Store } from '../store/store.ts'
import type { Ledger } from './ledger.ts'

interface StoreLedgerOptions {
  readonly store: Store
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly observer: ConnectionObserver
}

/** What a gateway has to be allowed, the commands inside of the scripts included. */
export const LEDGER_COMMANDS = ['EVAL', 'EVALSHA', 'GET', 'SET', 'DEL', 'TIME'] as const

/** Sets `ahead` and `keep` for the scripts below. Times are microseconds. */
const SHARED = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function ahead(key)
  return math.max(0, (tonumber(redis.call('GET', key) or 0) or 0) - now)
end
local function keep(key, far)
  if far <= 0 then redis.call('DEL', key) return 0 end
  redis.call('SET', key, string.format('%.0f', now + far), 'PX', math.ceil(far / 1000) + 1000)
  return far
end
`

/** What was spent, for each key. Answers how far ahead each one is. */
const DEBIT = script(`${SHARED}
local answer = {}
for i, key in ipairs(KEYS) do answer[i] = keep(key, ahead(key) + ARGV[i]) end
return answer
`)

/** What is to be spent and how far ahead the key may be then, in pairs. Answers whether it was, and as above. */
const TAKE = script(`${SHARED}
local answer = { 1 }
for i, key in ipairs(KEYS) do
  answer[i + 1] = ahead(key)
  if answer[i + 1] + ARGV[2 * i - 1] > ARGV[2 * i] + 1 then answer[1] = 0 end
end
if answer[1] == 1 then
  for i, key in ipairs(KEYS) do answer[i + 1] = keep(key, answer[i + 1] + ARGV[2 * i - 1]) end
end
return answer
`)

export function storeLedger(options: StoreLedgerOptions): Ledger {
  const { store } = options
  let lastError: string | undefined
  const kept = reconnection(
    { ...options, probe: probeCommand(store) },
    {
      opened() {
        lastError = undefined
      },
      failed({ message }) {
        lastError = message
      },
    },
  )

  const ask = async (asked: Script, keys: readonly string[], args: readonly string[]): Promise<readonly number[]> => {
    const server = kept.connection()
    if (server === undefined) throw new StoreError('is away')
    try {
      return numbersIn(await run(server.send, asked, keys.map(store.key), args), keys.length)
    } catch (error) {
      kept.giveUp(server, error)
      throw error
    }
  }

  return {
    open: kept.open,
    isUp: () => kept.connection() !== undefined,
    async debit(debits) {
      const args = debits.map(({ spentMs }) => microseconds(spentMs))
      const ahead = await ask(DEBIT, names(debits), args)
      return ahead.map(us => us / 1_000)
    },
    async take(takings) {
      const args = takings.flatMap(({ spentMs, toleranceMs }) => [microseconds(spentMs), microseconds(toleranceMs)])
      const [isWithin, ...ahead] = await ask(TAKE, names(takings), args)
      return { isWithin: isWithin === 1, aheadMs: ahead.map(us => us / 1_000) }
    },
    status: () => ({ isUp: kept.connection() !== undefined, lastError }),
    close: kept.close,
  }
}

/** Does what is done all the time, for a key that no caller has, and spends nothing. */
export function probeCommand(store: Store): readonly string[] {
  return ['EVAL', DEBIT.text, '1', store.key('limit:'), '0']
}

function names(of: ReadonlyArray<{ readonly name: string }>): readonly string[] {
  return of.map(({ name }) => name)
}

function microseconds(ms: number): string {
  return String(Math.round(ms * 1_000))
}

/** @throws {StoreError} whatever it is that answers so, it is no store that has counted */
function numbersIn(reply: Reply, least: number): readonly number[] {
  if (Array.isArray(reply) && reply.length >= least && reply.every(each => typeof each === 'number')) return reply
  throw new StoreError('answers with something else than a store does')
}
