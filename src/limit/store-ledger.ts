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

/**
 * Sets `ahead` and `keep` for the scripts below. Times are whole microseconds. A key holds how far ahead it was and
 * when that was: a clock that is set back, or that of another server after a failover, adds nothing to what a key owes.
 */
const SHARED = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function ahead(key)
  local far, at = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  if not far then return nil end
  return far - math.max(0, now - at)
end
local function keep(key, far, before)
  if far > 0 then
    redis.call('SET', key, string.format('%.0f %.0f', far, now), 'PX', math.ceil(far / 1000) + 1000)
  elseif before then
    redis.call('DEL', key)
  end
  return far
end
`

/** What was spent, and since when, in pairs. Answers how far ahead each key is. */
const DEBIT = script(`${SHARED}
local answer = {}
for i, key in ipairs(KEYS) do
  local before, since = ahead(key), tonumber(ARGV[2 * i])
  answer[i] = keep(key, math.max(before or since, since) + ARGV[2 * i - 1], before)
end
return answer
`)

/** What one request is and how many may be ahead, in pairs. Answers whether it was spent, and the same as above. */
const TAKE = script(`${SHARED}
local answer = { 1 }
for i, key in ipairs(KEYS) do
  answer[i + 1] = math.max(0, ahead(key) or 0)
  if answer[i + 1] + ARGV[2 * i - 1] > ARGV[2 * i - 1] * ARGV[2 * i] then answer[1] = 0 end
end
if answer[1] == 1 then
  for i, key in ipairs(KEYS) do answer[i + 1] = keep(key, answer[i + 1] + ARGV[2 * i - 1]) end
end
return answer
`)

export function storeLedger(options: StoreLedgerOptions): Ledger {
  const { store } = options
  const kept = reconnection({ ...options, probe: probeCommand(store) })

  const ask = async (
    asked: Script,
    about: ReadonlyArray<{ readonly name: string }>,
    args: readonly string[],
    answers: number,
  ): Promise<readonly number[]> => {
    const server = kept.connection()
    if (server === undefined) throw new StoreError('is away')
    const keys = about.map(({ name }) => store.key(name))
    try {
      return numbersIn(await run(server.send, asked, keys, args), answers)
    } catch (error) {
      kept.giveUp(server, error)
      throw error
    }
  }

  return {
    open: kept.open,
    isUp: () => kept.connection() !== undefined,
    async debit(debits) {
      const args = debits.flatMap(({ spentMs, sinceMs }) => [microseconds(spentMs), microseconds(sinceMs)])
      const ahead = await ask(DEBIT, debits, args, debits.length)
      return ahead.map(us => us / 1_000)
    },
    async take(takings) {
      const args = takings.flatMap(({ spentMs, burst }) => [microseconds(spentMs), String(burst)])
      const [isWithin, ...ahead] = await ask(TAKE, takings, args, takings.length + 1)
      return { isWithin: isWithin === 1, aheadMs: ahead.map(us => us / 1_000) }
    },
    status: () => ({ isUp: kept.connection() !== undefined, lastError: kept.lastError() }),
    close: kept.close,
  }
}

/** Does what is done all the time, for a key that no caller has: it spends and gives all of it back. */
export function probeCommand(store: Store): readonly string[] {
  const key = store.key('limit:')
  return ['EVAL', DEBIT.text, '2', key, key, '1', '0', '-1000000', '0']
}

function microseconds(ms: number): string {
  return String(Math.round(ms * 1_000))
}

/** @throws {StoreError} whatever it is that answers so, it is no store that has counted */
function numbersIn(reply: Reply, count: number): readonly number[] {
  if (Array.isArray(reply) && reply.length === count && reply.every(each => typeof each === 'number')) return reply
  throw new StoreError('answers with something else than a store does')
}
