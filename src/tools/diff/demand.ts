/**
 * Says what a route asks of its callers as single demands, each of which is met by any one of a few facts.
 *
 * Every requirement is positive, so all of them can be said so: `scopes: [a, b]` is two demands with one fact each, and
 * `anyScope: [a, b]` is one demand with two. `claims: { t: [1, 2] }` is one demand, and the claim may be a list that
 * holds both. Facts are taken to be independent of each other, which they are not always (`roles` may come from a claim
 * that `claims` names, too): a comparison therefore sees more callers than there can be, and none less.
 */
import { acceptedAcrs } from '../../authorize/acr.ts'
import type { ClaimRequirement, RequireConfig } from '../../config/schema/schema.ts'

/** Says one thing that may be true of a token. */
export type Fact =
  | { readonly kind: 'audience' | 'scope' | 'role'; readonly value: string }
  /** What the token is bound to. */
  | { readonly kind: 'binding'; readonly value: 'dpop' | 'certificate' }
  /** That long ago, in milliseconds, is the time in the claim; a shorter one meets every demand for a longer one. */
  | { readonly kind: 'age'; readonly claim: 'auth_time' | 'iat'; readonly value: number }
  /** A condition holds, whatever it says: one of the same text holds, too. */
  | { readonly kind: 'condition'; readonly value: string }
  /** The claim is this value, or a list that holds it; with `undefined`, the claim is there, whatever its value. */
  | { readonly kind: 'claim'; readonly path: readonly string[]; readonly value: string | number | boolean | undefined }

/** Lists the facts of which any one meets the demand. */
export type Demand = readonly Fact[]

interface Asked {
  /** Of each list the token needs one. */
  readonly audiences: ReadonlyArray<readonly string[]>
  readonly require?: RequireConfig | undefined
}

/** Lists what is asked; every demand must be met. @param acrOrder of the provider whose callers are asked */
export function demandsOf({ audiences, require = {} }: Asked, acrOrder?: readonly string[]): readonly Demand[] {
  return [
    ...audiences.flatMap(each => anyOf('audience', each)),
    ...Object.values(DEMANDS).flatMap(demands => demands(require, acrOrder)),
  ]
}

/** Holds the demands of each key of `require`, so the compiler asks for those of a new key. */
const DEMANDS: {
  readonly [Key in keyof RequireConfig]-?: (require: RequireConfig, acrOrder?: readonly string[]) => readonly Demand[]
} = {
  scopes: ({ scopes }) => allOf('scope', scopes),
  anyScope: ({ anyScope }) => anyOf('scope', anyScope),
  roles: ({ roles }) => allOf('role', roles),
  anyRole: ({ anyRole }) => anyOf('role', anyRole),
  proof: ({ proof }) =>
    proof === undefined
      ? []
      : [(proof === 'any' ? (['dpop', 'certificate'] as const) : [proof]).map(value => ({ kind: 'binding', value }))],
  claims: ({ claims = {} }) =>
    Object.entries(claims).flatMap(([claim, wanted]) => claimDemands(claimPath(claim), wanted)),
  acr: ({ acr }, acrOrder) =>
    acr === undefined ? [] : [acceptedAcrs(acr, acrOrder).map(value => ({ kind: 'claim', path: ['acr'], value }))],
  authAge: ({ authAge }) => (authAge === undefined ? [] : [[{ kind: 'age', claim: 'auth_time', value: authAge }]]),
  when: ({ when = [] }) => when.map(({ text }) => [{ kind: 'condition', value: text }]),
  tokenAge: ({ tokenAge }) => (tokenAge === undefined ? [] : [[{ kind: 'age', claim: 'iat', value: tokenAge }]]),
}

function allOf(kind: 'scope' | 'role', values: readonly string[] = []): readonly Demand[] {
  return values.map(value => [{ kind, value }])
}

function anyOf(kind: 'audience' | 'scope' | 'role', values: readonly string[] | undefined): readonly Demand[] {
  return values === undefined ? [] : [values.map(value => ({ kind, value }))]
}

function claimDemands(path: readonly string[], wanted: ClaimRequirement): readonly Demand[] {
  if ('exists' in wanted) return [[{ kind: 'claim', path, value: undefined }]]
  if ('anyOf' in wanted) return [wanted.anyOf.map(value => ({ kind: 'claim', path, value }))]
  return wanted.all.map(value => [{ kind: 'claim', path, value }])
}

/** Returns the same path for the name of a claim and for the JSON Pointer (RFC 6901) that leads to it. */
export function claimPath(reference: string): readonly string[] {
  if (!reference.startsWith('/')) return [reference]
  return reference
    .slice(1)
    .split('/')
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}
