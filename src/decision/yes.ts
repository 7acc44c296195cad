/**
 * Writes the answer that lets a request pass: to a proxy that forwards it, with who is calling.
 *
 * Every managed name is answered, also without a value. A proxy that copies a header "if it is there" would else leave
 * the one that its client has sent (Caddy GHSA-7r4p-vjf4-gxv4). Envoy is told what to remove instead, with spellings
 * that have `_`, since some services read them as the same name.
 */
import type { Exchange } from '../exchange.ts'
import { isHopByHop } from '../forward/hop-by-hop.ts'
import { fieldValue } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { Policy } from '../policy.ts'
import type { Caller } from './callers.ts'

/** Envoy removes the headers that this one lists from the request that it forwards. */
const ENVOY_REMOVES = 'x-envoy-auth-headers-to-remove'

/** The one status that all callers take for a yes. */
export const YES = 200

/** What stands on an answer from the start, and is not said a second time. */
const OWN = new Set(['cache-control', 'content-length', 'x-request-id'])

/** Returns flat names and values, of a request that may pass. */
export function yesLines(caller: Caller, exchange: Exchange): string[] {
  const { findings, requestId } = exchange
  const told = toldLines(exchange)
  const lines = ['Cache-Control', 'no-store', 'X-Request-Id', requestId, 'Content-Length', '0', ...told]
  const { responseLines } = findings
  for (let i = 0; i < responseLines.length; i += 2) {
    const name = responseLines[i] as string
    if (!OWN.has(name.toLowerCase())) lines.push(name, responseLines[i + 1] as string)
  }
  const empty = namesWithout(told, exchange)
  if (caller === 'envoy') lines.push(ENVOY_REMOVES, removedByEnvoy(empty, told, exchange.policy).join(','))
  else for (const name of empty) lines.push(name, '')
  return lines
}

/** What the service is told: who is calling, and the token where it is to have that. */
function toldLines({ facts, findings, requestId, trace }: Exchange): readonly string[] {
  const { route, host, identityLines } = findings
  const { rawHeaders, peer } = facts
  const forwarded = route?.requestHeaders({ rawHeaders, host, peer, requestId, trace, identityLines }) ?? []
  const authorization = fieldValue(forwarded, AUTHORIZATION)
  const named = identityLines.filter((_, i) => (identityLines[i - (i % 2)] as string).toLowerCase() !== AUTHORIZATION)
  return authorization === undefined ? named : [...named, 'Authorization', authorization]
}

const AUTHORIZATION = 'authorization'

/** @returns the names that may have come from the client and that nothing is told under */
function namesWithout(told: readonly string[], { facts, policy }: Exchange): readonly string[] {
  const seen = facts.rawHeaders.filter((name, i) => i % 2 === 0 && policy.isManaged(name))
  const names = new Map(managedBy(policy).names)
  for (const name of seen) names.set(name.toLowerCase(), name)
  for (let i = 0; i < told.length; i += 2) names.delete((told[i] as string).toLowerCase())
  // These end at each hop, so they reach no service; and an answer with an empty `Trailer` is none.
  return [...names.values()].filter(name => !isHopByHop(foldedFieldName(name)))
}

/** What is told replaces what came under the same name, and must not be removed again. */
function removedByEnvoy(empty: readonly string[], told: readonly string[], policy: Policy): readonly string[] {
  const own = new Set(told.filter((_, i) => i % 2 === 0).map(name => name.toLowerCase()))
  const { spellings } = managedBy(policy)
  return [...new Set([...empty.map(name => name.toLowerCase()), ...spellings])].filter(name => !own.has(name))
}

/** What the managed names of a policy come to in each of its answers. */
interface Managed {
  /** By their lower case; `Authorization` is one of them. */
  readonly names: ReadonlyMap<string, string>
  /** In lower case, also with `_`. */
  readonly spellings: readonly string[]
}

const known = new WeakMap<Policy, Managed>()

function managedBy(policy: Policy): Managed {
  const before = known.get(policy)
  if (before !== undefined) return before
  const { managedNames } = policy
  const managed = {
    names: new Map([...managedNames, 'Authorization'].map(name => [name.toLowerCase(), name])),
    spellings: managedNames.flatMap(name => [name.toLowerCase(), foldedFieldName(name).replaceAll('-', '_')]),
  }
  known.set(policy, managed)
  return managed
}
