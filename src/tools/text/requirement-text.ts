/** Says in words what a requirement wants, and what of it a caller brought. */

import { seenAcr } from '../../authorize/acr.ts'
import { secondsText } from '../../authorize/age.ts'
import { type RequiredProof, seenProof } from '../../authorize/proof.ts'
import { claimReader } from '../../claim-reader.ts'
import type { Requirement } from '../../config/requirements.ts'
import type { ClaimRequirement } from '../../config/schema/schema.ts'
import type { Principal, RequestFacts } from '../../types.ts'

/** Names a requirement as the file does: `scopes`, `claims.tenant`. */
export function requirementName(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'claim':
      return `claims.${requirement.claim}`
    case 'when':
      return requirement.name.startsWith('when') ? requirement.name : `when.${requirement.name}`
    default:
      return requirement.kind
  }
}

export function wantedText(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'scopes':
    case 'roles':
      return requirement.wanted.join(' and ')
    case 'anyScope':
    case 'anyRole':
    case 'audiences':
      return requirement.wanted.join(' or ')
    case 'proof':
      return PROOF_TEXTS[requirement.wanted]
    case 'claim':
      return wantedOfClaim(requirement.wanted)
    case 'acr':
      return requirement.wanted.join(' or ') + (requirement.isOrdered ? ', or stronger by acrOrder' : '')
    case 'authAge':
      return `a login no longer ago than ${secondsText(requirement.wanted)}`
    case 'tokenAge':
      return `a token issued no longer ago than ${secondsText(requirement.wanted)}`
    case 'when':
      return requirement.condition.text.trim().replaceAll(/\s+/g, ' ')
  }
}

/** The request that a requirement was asked about. */
export interface AskedOf {
  readonly facts: RequestFacts
  /** As it was judged. */
  readonly path: string
}

export function sawText(requirement: Requirement, principal: Principal, { facts, path }: AskedOf): string {
  switch (requirement.kind) {
    case 'scopes':
    case 'anyScope':
      return listed(principal.scopes)
    case 'roles':
    case 'anyRole':
      return listed(principal.roles)
    case 'audiences':
      return listed(principal.audiences)
    case 'proof':
      return seenProof(principal)
    case 'claim': {
      const value = claimReader(requirement.claim)(principal.claims)
      return value === undefined ? 'nothing' : JSON.stringify(value)
    }
    case 'acr':
      return seenAcr(principal.claims)
    case 'authAge':
    case 'tokenAge':
      return requirement.seen(principal)
    case 'when':
      return requirement
        .shown(principal, facts, path)
        .map(({ saw }) => saw)
        .join('; ')
  }
}

const PROOF_TEXTS: Readonly<Record<RequiredProof, string>> = {
  dpop: 'a token that is bound to the key of a DPoP proof',
  certificate: 'a token that is bound to a client certificate',
  any: 'a token that is bound to a key',
}

/** Says what a requirement wants of its claim. */
export function wantedOfClaim(wanted: ClaimRequirement): string {
  if ('exists' in wanted) return 'any value'
  const [scalars, word] = 'anyOf' in wanted ? [wanted.anyOf, ' or '] : [wanted.all, ' and ']
  return scalars.map(scalar => JSON.stringify(scalar)).join(word)
}

function listed(values: Iterable<string>): string {
  return [...values].join(' ') || 'nothing'
}
