/**
 * Times conditions (`require.when`): one on claims, which is judged once for each caller, one on a parameter of the
 * path, and the dearest that is accepted, with claims that fill a token of 64 KiB.
 */
import { requireCondition } from '../../src/authorize/condition.ts'
import { readCondition } from '../../src/condition/condition.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { parameterReader } from '../../src/route/match.ts'
import type { Authorizer, Principal, RequestFacts } from '../../src/types.ts'
import type { Case } from './harness.ts'

const PATH = '/t/:tenant/**'

/** Counting the members of a block is paid for afterwards. Before that, nearly everything else is spent. */
const DEAREST = '!(7 in claims.zeros) && size(claims.block) == 1'
const LARGE = JSON.parse(
  JSON.stringify({
    zeros: Array(9_000).fill(0),
    block: Object.fromEntries(Array.from({ length: 3_300 }, (_, at) => [`k${at}`, 1])),
  }),
) as unknown

export function conditionCases(principals: readonly Principal[], facts: RequestFacts): readonly Case[] {
  const [caller] = principals
  if (caller === undefined) throw new Error('there is a caller')
  const named: Principal = { ...caller, claims: { ...caller.claims, tenant: 'acme' } }
  const [ofClaims, ofParameter] = [conditionOf('has(claims.sub)'), conditionOf('claims.tenant == params.tenant')]
  const dearest = readCondition(DEAREST, { parameters: [] })
  if ('message' in dearest) throw new Error(dearest.message)
  return [
    {
      name: 'condition on claims, known caller',
      run: at => ofClaims(principals[at % principals.length] ?? caller, facts, '/t/acme/x'),
    },
    { name: 'condition on a parameter', run: () => ofParameter(named, facts, '/t/acme/x') },
    { name: 'dearest condition, largest token', run: () => dearest.judge({ claims: LARGE }) },
  ]
}

function conditionOf(text: string): Authorizer {
  const condition = readCondition(text, { parameters: ['tenant'] })
  if ('message' in condition) throw new Error(condition.message)
  const paramsOf = parameterReader({ path: PATH, methods: undefined })
  return requireCondition({ name: 'when', condition, paramsOf, clock: systemClock })
}
