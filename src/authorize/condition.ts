/**
 * Requires that a condition holds: an expression of CEL about the verified caller and the request.
 *
 * CEL specification; what of it is accepted is in `condition/fence.ts`. Whatever cannot be evaluated refuses, also
 * under a negation: `!(claims.banned == true)` refuses a token without the claim. What reads nothing but the principal
 * is judged once for each of them and remembered as long as the principal is.
 */
import type { Condition, Outcome } from '../condition/condition.ts'
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { keeper } from '../lib/keeper.ts'
import type { Authorizer, ConditionOutcome, Principal, RequestFacts } from '../types.ts'
import { namedHeaders, UnreadableHeader } from './condition-headers.ts'

interface ConditionRules {
  /** What the file calls it. */
  readonly name: string
  readonly condition: Condition
  /** The values of the parameters of the route, by their names. */
  readonly paramsOf: (path: string) => Readonly<Record<string, string>>
  readonly clock: Pick<Clock, 'nowMs'>
  /** Those of all conditions of the route (`Condition.places`). */
  readonly ofPlaces?: number
}

/** What a condition sees of a request. */
type ActivationOf = (principal: Principal, facts: RequestFacts, path: string) => Readonly<Record<string, unknown>>

/**
 * Refuses with `claim_forbidden`. The evidence names the condition, and where it could not be evaluated, the part of it
 * that is to blame. No value of a claim is in it.
 */
export function requireCondition(rules: ConditionRules): Authorizer {
  const { name, condition, ofPlaces } = rules
  const { isOfPrincipal } = condition.reads
  const activationOf = activations(rules)
  const known = new WeakMap<Principal, Outcome>()
  const judge = (principal: Principal, facts: RequestFacts, path: string): Outcome => {
    try {
      return condition.judge(activationOf(principal, facts, path), ofPlaces)
    } catch (error) {
      if (error instanceof UnreadableHeader) return { error: error.reason, key: error.message }
      throw error
    }
  }
  return (principal, facts, path) => {
    const remembered = isOfPrincipal ? known.get(principal) : undefined
    const outcome = remembered ?? judge(principal, facts, path)
    if (isOfPrincipal && remembered === undefined) known.set(principal, outcome)
    if (outcome !== true) throw new Denial('claim_forbidden', { evidence: evidenceOf(name, outcome) })
  }
}

/** @returns what a refusal says of the condition that it is about; undefined for any other failure */
export function conditionOutcome(error: unknown): Exclude<ConditionOutcome, 'true'> | undefined {
  if (!(error instanceof Denial)) return undefined
  const { requirement, outcome } = error.evidence ?? {}
  return requirement === 'when' ? (outcome === 'false' ? 'false' : 'error') : undefined
}

function evidenceOf(condition: string, outcome: Exclude<Outcome, true>) {
  const requirement = 'when'
  return outcome === false
    ? { requirement, condition, outcome: 'false' }
    : { requirement, condition, outcome: 'error', ...outcome }
}

/** Gives a condition the variables that it reads. */
export function activations({ condition, paramsOf, clock }: ConditionRules): ActivationOf {
  const { reads } = condition
  const { isOfPrincipal, variables } = reads
  if (isOfPrincipal) return callerOf
  const [wantsParams, wantsRequest, wantsNow] = ['params', 'request', 'now'].map(name => variables.has(name))
  const headersOf = namedHeaders(reads.headers)
  return (principal, facts, path) => ({
    ...callerOf(principal),
    params: wantsParams === true ? paramsOf(path) : undefined,
    request: wantsRequest === true ? { method: facts.method, path, headers: headersOf(facts.rawHeaders) } : undefined,
    now: wantsNow === true ? new Date(clock.nowMs()) : undefined,
  })
}

const callers = keeper<Readonly<Record<string, unknown>>>()

function callerOf(principal: Principal): Readonly<Record<string, unknown>> {
  const known = callers.get(principal)
  if (known !== undefined) return known
  const { claims, scopes, roles, provider } = principal
  const made = Object.freeze({ claims, scopes: [...scopes], roles: [...roles], provider })
  callers.set(principal, made)
  return made
}
