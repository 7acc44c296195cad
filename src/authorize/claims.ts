/**
 * Requires a value of a claim: `tenant: acme`, `tenant: [acme, globex]`, `groups: { all: [a, b] }`
 * or `sub: { exists: true }`.
 *
 * RFC 7519 §4 (claims), RFC 6901 (a reference that starts with `/` is a JSON Pointer), OpenID Connect Core §5.3.2 (a
 * claim that is null counts as not there).
 *
 * Nothing is converted: the string `true` is not the boolean, and `1` is not `"1"`. It knows no
 * patterns and compares no objects.
 */
import { claimReader } from '../claim-reader.ts'
import { Denial } from '../errors.ts'
import type { Authorizer, JsonValue } from '../types.ts'

type ClaimScalar = string | number | boolean

/** Says what a claim must be. A scalar or a list of the file arrives as `anyOf`. */
export type ClaimRequirement =
  /** The claim equals one of these, or is an array that contains one of them. */
  | { readonly anyOf: readonly ClaimScalar[] }
  /** The claim is an array that contains every one of these; a single one may be the claim itself. */
  | { readonly all: readonly ClaimScalar[] }
  /** The claim has any value but null. */
  | { readonly exists: true }

/**
 * Refuses with `claim_forbidden`. The evidence names the claim and the type it had: enough to find a `"true"` that
 * should be `true`, while the value itself, a mail address perhaps, stays out of the log.
 *
 * @param reference the claim's name, or a JSON Pointer
 * @throws {SyntaxError} an invalid pointer, an empty `all`, or a number that JSON cannot carry exactly
 */
export function requireClaim(reference: string, requirement: ClaimRequirement): Authorizer {
  const read = claimReader(reference)
  const holds = test(requirement)
  return ({ claims }) => {
    const value = read(claims)
    if (holds(value)) return
    throw new Denial('claim_forbidden', { evidence: { requirement: 'claims', claim: reference, saw: typeName(value) } })
  }
}

type ClaimTest = (value: JsonValue | undefined) => boolean

function test(requirement: ClaimRequirement): ClaimTest {
  if ('anyOf' in requirement) {
    const accepted = requirement.anyOf.map(contains)
    return value => accepted.some(holds => holds(value))
  }
  if ('exists' in requirement) return value => value !== undefined && value !== null
  if (requirement.all.length === 0) throw new SyntaxError('"all" of nothing would let everyone pass')
  const required = requirement.all.map(contains)
  return value => required.every(holds => holds(value))
}

function contains(scalar: ClaimScalar): ClaimTest {
  // Once they are parsed, 9007199254740993 and 9007199254740992 are one number: two tenants would be one.
  if (typeof scalar === 'number' && Number.isInteger(scalar) && !Number.isSafeInteger(scalar))
    throw new SyntaxError(`${scalar} is too large to be compared exactly: let the claim be a string`)
  return value => value === scalar || (Array.isArray(value) && value.includes(scalar))
}

function typeName(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
