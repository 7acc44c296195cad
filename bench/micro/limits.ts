/**
 * Times rate limits: where the caller is known by his token, where the address is the key, of 50,000 in turns, and with
 * two limits on the route. The lines that tell what is left are part of it.
 */
import { clientAddressReader, trustedProxies } from '../../src/downstream/client-address.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type LimitDefinition, rateLimit } from '../../src/limit/rate-limit.ts'
import { routeLimits } from '../../src/limit/route-limits.ts'
import type { Principal, RequestFacts } from '../../src/types.ts'
import type { Case } from './harness.ts'

const KEYS = 50_000
/** It lets everything through, so that each request is counted. */
const DEFINITION = {
  ...{ id: 'bench', rate: { requests: 1_000_000, per: 's' }, burst: 10_000_000, key: [{ claim: 'sub' }] },
  ...{ entries: KEYS, exact: false, onFailure: 'local', headers: 'on', syncMs: 50 },
} as const satisfies LimitDefinition

export function limitCases(principals: readonly Principal[], facts: RequestFacts): readonly Case[] {
  const own = takes({})
  const silent = takes({ headers: 'off' })
  const two = takes({}, { id: 'second', rate: { requests: 1_000, per: 's' }, burst: 10_000_000 })
  const byAddress = takes({ key: ['client'] })
  const ofNetworks = takes({ key: ['client'] })
  const caller = (at: number): Principal | undefined => principals[at % principals.length]
  const clients = Array.from({ length: KEYS }, (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`)
  const networks = Array.from({ length: KEYS }, (_, at) => `2001:db8:${at.toString(16)}:1::${at % 7}`)
  const known = new Map(clients.map(address => [`c${address}`, { address }]))
  // One step that shares no factor with the number of keys visits all of them, and no two neighbours in turn.
  const scattered = (list: readonly string[], at: number): string => list[(at * 7_919) % KEYS] ?? ''
  return [
    { name: 'limit, known caller', run: at => own(caller(at), facts) },
    { name: 'limit, known caller, headers off', run: at => silent(caller(at), facts) },
    { name: 'two limits, known caller', run: at => two(caller(at), facts) },
    {
      name: 'limit by address, 50,000 keys, beside finding one of 50,000 in a map',
      run: at => byAddress(undefined, from(facts, scattered(clients, at))),
      beside: at => known.get(`c${scattered(clients, at)}`),
    },
    {
      name: 'limit by address, 50,000 networks of IPv6',
      run: at => ofNetworks(undefined, from(facts, scattered(networks, at))),
    },
  ]
}

function takes(...over: ReadonlyArray<Partial<LimitDefinition>>) {
  const observer = { decided() {}, evicted() {}, synced() {} }
  const limits = over.map(each =>
    rateLimit({ ...DEFINITION, ...each }, { clock: systemClock, observer, shared: undefined }),
  )
  const clientAddress = clientAddressReader(trustedProxies([]))
  const counted = routeLimits({ route: 'orders', limits, clientAddress, refused: 'limited', clock: systemClock })
  return (principal: Principal | undefined, facts: RequestFacts) => {
    const notes = { responseLines: [] as readonly string[] }
    counted.take(principal, facts, notes)
    return notes
  }
}

function from(facts: RequestFacts, address: string): RequestFacts {
  return { ...facts, peer: { address, protocol: 'http' } }
}
