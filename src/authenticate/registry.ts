/**
 * Holds every verifier in use, so that a reload which changes neither the rules of a provider nor its keys keeps the
 * tokens that were verified: they are remembered for the very verifier that verified them.
 *
 * A verifier is the same when its type, its rules and what it is built on are the same. Each policy leases its
 * verifiers and releases them when it is replaced. A verifier that nobody leases lives on for a short while, so that a
 * change which is taken back finds its tokens verified.
 */
import { type Lease, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { TokenVerifier } from './verifier.ts'

/** Data that JSON tells apart: no Set, no Map, no object of a class, which would all look empty. */
type PlainData = string | number | boolean | undefined | readonly PlainData[] | { readonly [member: string]: PlainData }

interface VerifierDefinition<Rules extends PlainData, Base> {
  /** The type of the provider in the configuration. */
  readonly type: string
  /** All that decides a verdict, but for the base. */
  readonly rules: Rules
  /** Where verdicts come from, such as a key set. Its lease must not end before that of the verifier. */
  readonly base: Pick<Lease<Base>, 'value' | 'serial'>
  /** Makes the verifier of rules and base, and of nothing else that could change. */
  readonly make: (rules: Rules, base: Base) => TokenVerifier
}

export interface VerifierRegistry {
  /** @throws what `make` throws; nothing is kept */
  acquire<Rules extends PlainData, Base>(definition: VerifierDefinition<Rules, Base>): Lease<TokenVerifier>
}

/** A change that was a mistake is taken back within this time. */
const LINGER_MS = 60_000

export function verifierRegistry(scheduler: Scheduler): VerifierRegistry {
  const verifiers = leases({
    identityOf: ({ identity }: { readonly identity: string; readonly make: () => TokenVerifier }) => identity,
    make: ({ make }) => make(),
    // A verifier holds nothing that has to be closed. Its base may, and that is leased by itself.
    end: async () => {},
    lingerMs: LINGER_MS,
    scheduler,
  })
  return {
    acquire: ({ type, rules, base, make }) =>
      verifiers.acquire({
        identity: JSON.stringify([type, rules, base.serial]),
        make: () => make(rules, base.value),
      }),
  }
}
