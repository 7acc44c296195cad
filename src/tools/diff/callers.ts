/**
 * Compares two routes as the sets of callers that each lets in, and finds a witness: a caller that the one lets in and
 * the other does not.
 *
 * All that a route asks is positive, so a caller with more facts never gets in less. Whoever gets past a route although
 * a demand of the other is not met is therefore found by trying one caller for each of these demands: the one with
 * every fact but those that meet it. What is left out of such a caller while it still gets in makes it a small witness.
 */
import { secondsText } from '../../authorize/age.ts'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { ProviderConfig, RouteConfig } from '../../config/schema/schema.ts'
import type { JsonValue } from '../../types.ts'
import { claimPath, type Demand, demandsOf, type Fact } from './demand.ts'
import { audiencesOf, judgeOf, type RouteInConfig, urlOf } from './route-strictness.ts'

/** Says who gets in that did not: claims, or words where it is nobody with claims. */
export type Witness = { readonly provider: string; readonly claims: Readonly<Record<string, JsonValue>> } | string

/** A caller that one route lets in and the other does not. */
interface Gap {
  /** Undefined where a condition has to hold for the caller: which claims satisfy an expression, nobody can say. */
  readonly witness: Witness | undefined
}

/** @returns undefined when there is no such caller */
export function gapBetween(letting: RouteInConfig, refusing: RouteInConfig): Gap | undefined {
  const withoutClaims = Object.keys(STRANGERS).find(
    stranger => isLetIn(stranger as Stranger, letting.route) && !isLetIn(stranger as Stranger, refusing.route),
  )
  if (withoutClaims !== undefined) return { witness: STRANGERS[withoutClaims as Stranger].words }
  if (isLetIn('rejected', refusing.route)) return undefined
  const provider = providersOf(letting).find(id => !providersOf(refusing).includes(id))
  if (provider !== undefined) {
    const demands = demandsOf(askedOf(letting, letting, provider), acrOrderOf(letting, provider))
    return { witness: witness(letting, provider, leastOf(demands.flat(), demands)) }
  }
  for (const common of providersOf(letting)) {
    const found = gapOfProvider(letting, refusing, common)
    if (found !== undefined) return found
  }
  return undefined
}

/** One order counts for both sides, since another order is a change of the provider and told there. */
function gapOfProvider(letting: RouteInConfig, refusing: RouteInConfig, provider: string): Gap | undefined {
  const acrOrder = acrOrderOf(letting, provider)
  const demands = demandsOf(askedOf(letting, refusing, provider), acrOrder)
  const others = demandsOf(askedOf(refusing, letting, provider), acrOrder)
  const facts = [...new Map([...demands, ...others].flat().map(fact => [keyOf(fact), fact])).values()]
  const unmet = others.map(demand => facts.filter(fact => !demand.some(wanted => meets(fact, wanted))))
  const found = unmet.find(held => areMet(demands, held))
  return found === undefined ? undefined : { witness: witness(letting, provider, leastOf(found, demands)) }
}

/**
 * A provider's audiences are asked for by both sides, and compared at the provider. They matter here where the URL of a
 * resource, which not both may have, stands in for them.
 */
function askedOf(side: RouteInConfig, other: RouteInConfig, id: string): Parameters<typeof demandsOf>[0] {
  const provider = side.config.providers[judgeOf(side.config, id)]
  const url = urlOf(side)
  const ofProvider = provider === undefined ? [] : providerTraits(provider).audiences
  const isOfMatter = (url ?? urlOf(other)) !== undefined && ofProvider.length > 0
  const ofRoute = audiencesOf(side)
  return {
    require: side.route.require,
    audiences: [
      ...(isOfMatter ? [[...ofProvider, ...(url === undefined ? [] : [url])]] : []),
      ...(ofRoute === undefined ? [] : [ofRoute]),
    ],
  }
}

function acrOrderOf({ config }: RouteInConfig, id: string): readonly string[] | undefined {
  const provider = config.providers[judgeOf(config, id)]
  return provider && providerTraits(provider).acrOrder
}

type Stranger = 'unreported' | 'rejected' | 'anonymous'

/**
 * Holds who may get in without a token that is accepted, and on which routes.
 *
 * A route in report mode lets nearly everybody in, and a public one everybody.
 */
const STRANGERS: Readonly<
  Record<Stranger, { readonly words: string; readonly isLetIn: (route: RouteConfig) => boolean }>
> = {
  anonymous: {
    words: 'a request without a token',
    isLetIn: ({ access, mode }) => access !== 'required' || mode === 'report',
  },
  rejected: {
    words: 'a request with a token that is not accepted',
    isLetIn: ({ access, mode }) => access === 'public' || mode === 'report',
  },
  unreported: {
    words: 'a request that is refused in report mode, too',
    isLetIn: ({ access }) => access === 'public',
  },
}

function isLetIn(stranger: Stranger, route: RouteConfig): boolean {
  return STRANGERS[stranger].isLetIn(route)
}

function providersOf({ route, config }: RouteInConfig): readonly string[] {
  return acceptedProviders(config, route)
}

function areMet(demands: readonly Demand[], held: readonly Fact[]): boolean {
  return demands.every(demand => demand.some(wanted => held.some(fact => meets(fact, wanted))))
}

/** Is true when the fact implies the one that is wanted: a claim is there when it, or one below it, has a value. */
function meets(fact: Fact, wanted: Fact): boolean {
  if (wanted.kind === 'age') return fact.kind === 'age' && fact.claim === wanted.claim && fact.value <= wanted.value
  if (wanted.kind !== 'claim' || wanted.value !== undefined) return keyOf(fact) === keyOf(wanted)
  return fact.kind === 'claim' && wanted.path.every((step, depth) => step === fact.path[depth])
}

/** Tells `1` from `"1"`, which are two values of a claim. */
function keyOf(fact: Fact): string {
  const where = fact.kind === 'claim' ? fact.path : fact.kind === 'age' ? fact.claim : undefined
  return JSON.stringify([fact.kind, where, fact.value])
}

/** Leaves out every fact without which the demands are met, too. */
function leastOf(facts: readonly Fact[], demands: readonly Demand[]): readonly Fact[] {
  return facts.reduce((held, fact) => {
    const fewer = held.filter(each => each !== fact)
    return areMet(demands, fewer) ? fewer : held
  }, facts)
}

function witness({ config }: RouteInConfig, provider: string, facts: readonly Fact[]): Witness | undefined {
  const judge = config.providers[judgeOf(config, provider)]
  const { scopeClaim = 'scope', rolesClaim = 'roles' } = grantClaimsOf(judge)
  const paths = { audience: ['aud'], scope: claimPath(scopeClaim), role: claimPath(rolesClaim) }
  const claims = new Map<string, { readonly path: readonly string[]; readonly values: JsonValue[] }>()
  for (const fact of facts) {
    if (fact.kind === 'condition') return undefined
    const path = pathOf(fact, paths)
    const key = JSON.stringify(path)
    const values = claims.get(key)?.values ?? []
    if (fact.kind === 'age') values.push(`${secondsText(fact.value)} ago`)
    else if (fact.kind !== 'binding' && fact.value !== undefined) values.push(fact.value)
    claims.set(key, { path, values })
  }
  const written = {}
  for (const { path, values } of claims.values()) {
    const [only = 'any value', ...others] = values
    put(written, path, others.length === 0 ? only : values)
  }
  const of = config.providers[provider]
  if (of?.type !== 'session') return { provider, claims: written }
  const browser = `a browser that has logged in at ${of.issuer}`
  return claims.size === 0 ? browser : `${browser}, with ${JSON.stringify(written)}`
}

function grantClaimsOf(provider: ProviderConfig | undefined): {
  readonly scopeClaim?: string | undefined
  readonly rolesClaim?: string | undefined
} {
  return provider !== undefined && 'rolesClaim' in provider ? provider : {}
}

const BINDING_MEMBERS = { dpop: 'jkt', certificate: 'x5t#S256' }

function pathOf(
  fact: Exclude<Fact, { readonly kind: 'condition' }>,
  paths: Readonly<Record<'audience' | 'scope' | 'role', readonly string[]>>,
): readonly string[] {
  switch (fact.kind) {
    case 'claim':
      return fact.path
    case 'age':
      return [fact.claim]
    case 'binding':
      return ['cnf', BINDING_MEMBERS[fact.value]]
    default:
      return paths[fact.kind]
  }
}

interface Members {
  [name: string]: JsonValue | Members
}

/** Puts the value where the path leads. Where another value is in the way, the whole path becomes one name. */
function put(claims: Members, path: readonly string[], value: JsonValue): void {
  const parent = path.slice(0, -1).reduce<Members | undefined>((at, step) => at && inner(at, step), claims)
  const last = path.at(-1) ?? ''
  if (parent === undefined || Object.hasOwn(parent, last)) define(claims, `/${path.join('/')}`, value)
  else define(parent, last, value)
}

function inner(members: Members, name: string): Members | undefined {
  if (!Object.hasOwn(members, name)) return define(members, name, {})
  const found = members[name]
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Members) : undefined
}

/** Adds a member of any name, `__proto__` included. */
function define<Value extends JsonValue | Members>(members: Members, name: string, value: Value): Value {
  Object.defineProperty(members, name, { value, enumerable: true, configurable: true, writable: true })
  return value
}
