/** Makes limits on a clock that a test moves, and counts requests of callers against them. */
import { Denial } from '../../src/errors.ts'
import type { Ledger } from '../../src/limit/ledger.ts'
import { type LedgerMemory, ledgerMemory } from '../../src/limit/ledger-memory.ts'
import { type LimitDefinition, type LimitResult, type RateLimit, rateLimit } from '../../src/limit/rate-limit.ts'
import { routeLimits } from '../../src/limit/route-limits.ts'
import type { Claims, Principal, RequestFacts } from '../../src/types.ts'
import { principal } from '../authorize/support.ts'
import { factsOf } from '../support/facts.ts'
import type { ManualTime } from '../support/manual-time.ts'

/** 10 a second, and as many at once. */
const DEFINITION: LimitDefinition = {
  ...{ id: 'main', rate: { requests: 10, per: 's' }, burst: undefined, key: [{ claim: 'sub' }], entries: 1_000 },
  ...{ exact: false, onFailure: 'local', headers: 'on', syncMs: 50 },
}

interface Counted {
  readonly limit: RateLimit
  /** How often each result was observed, and each eviction and question to the ledger. */
  readonly seen: Map<LimitResult | 'evicted' | 'told' | 'untold', number>
}

/** A limit of one process. @param ledger what it shares with others */
export function limitOf(time: ManualTime, over: Partial<LimitDefinition> = {}, ledger?: Ledger): Counted {
  const seen: Counted['seen'] = new Map()
  const see = (what: LimitResult | 'evicted' | 'told' | 'untold'): void =>
    void seen.set(what, (seen.get(what) ?? 0) + 1)
  const observer = {
    decided: (_: string, result: LimitResult) => see(result),
    evicted: () => see('evicted'),
    synced: (_: string, result: 'ok' | 'error') => see(result === 'ok' ? 'told' : 'untold'),
  }
  const shared = ledger && { ledger, scheduler: time }
  return { limit: rateLimit({ ...DEFINITION, ...over }, { clock: time, observer, shared }), seen }
}

type Outcome = 'passes' | `429 ${string}` | `503 ${string}`

/** One route with these limits: asks what becomes of a request of a caller, who is the same object again and again. */
export function routeWith(time: ManualTime, limits: readonly RateLimit[], route = 'orders') {
  const clientAddress = ({ peer }: Pick<RequestFacts, 'peer'>) => peer.address
  const counted = routeLimits({ route, limits, clientAddress, refused: 'limited', clock: time })
  const callers = new Map<string, Principal>()
  const notes = { responseLines: [] as readonly string[] }

  async function ask(claims: Claims | undefined, address = '192.0.2.1'): Promise<Outcome> {
    notes.responseLines = []
    const name = JSON.stringify(claims)
    const caller = claims && (callers.get(name) ?? principal({ claims }))
    if (caller !== undefined) callers.set(name, caller)
    try {
      await counted.take(caller, factsOf({ peer: { address, protocol: 'http' } }), notes)
      return 'passes'
    } catch (error) {
      if (!(error instanceof Denial)) throw error
      return `${error.code === 'rate_limited' ? 429 : 503} ${String(error.evidence?.limits)}`
    }
  }

  return {
    ask,
    notes,
    /** How many of these requests at once pass. */
    async passing(count: number, claims: Claims | undefined = { sub: 'alice' }, address?: string): Promise<number> {
      let passed = 0
      for (let sent = 0; sent < count; sent += 1) if ((await ask(claims, address)) === 'passes') passed += 1
      return passed
    },
  }
}

export interface TestLedger extends Ledger {
  readonly memory: LedgerMemory
  /** `loses`: it enters what it is told, and the answer does not come. */
  state: 'up' | 'down' | 'fails' | 'loses'
  /** How many questions were asked. */
  readonly asked: number
}

/** What processes share, which may be away, or fail when it is asked. */
export function testLedger(time: ManualTime): TestLedger {
  const memory = ledgerMemory({ clock: time, most: 10_000 })
  let asked = 0
  return {
    memory,
    state: 'up',
    get asked() {
      return asked
    },
    open() {},
    isUp() {
      return this.state !== 'down'
    },
    async debit(debits) {
      asked += 1
      if (this.state === 'down' || this.state === 'fails') throw new Error('is away')
      const aheadMs = memory.debit(debits)
      if (this.state === 'loses') throw new Error('the answer was lost')
      return aheadMs
    },
    async take(takings) {
      asked += 1
      if (this.state === 'down' || this.state === 'fails') throw new Error('is away')
      const aheadMs = memory.debit(takings.map(({ name }) => ({ name, spentMs: 0, sinceMs: 0 })))
      const isWithin = takings.every(({ spentMs, burst }, at) => (aheadMs[at] ?? 0) + spentMs <= spentMs * burst)
      const spent = takings.map(({ name, spentMs }) => ({ name, spentMs: isWithin ? spentMs : 0, sinceMs: 0 }))
      const answer = { isWithin, aheadMs: memory.debit(spent) }
      if (this.state === 'loses') throw new Error('the answer was lost')
      return answer
    },
    status() {
      return { isUp: this.state !== 'down', lastError: undefined }
    },
    close() {},
  }
}

/** Lets time pass, and whatever falls due on the way be told. */
export async function elapse(time: ManualTime, ms: number): Promise<void> {
  await time.advance(ms, async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  })
}
