/**
 * Reads who is calling, and with which scopes and roles, from verified claims.
 *
 * RFC 6749 §3.3 (`scope`), RFC 8693 §4.2 (`scope` as a claim), RFC 9068 §2.2.3.1 (roles), RFC 6901 (JSON Pointer).
 * What cannot be read grants nothing. Whether scopes and roles suffice is for the route to decide.
 */
import { type ClaimReader, claimReader } from '../claim-reader.ts'
import { Denial } from '../errors.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import type { Claims, JsonValue, Principal, Tenure } from '../types.ts'
import type { CheckedClaims } from './claim-checks.ts'

interface PrincipalOptions {
  readonly provider: string
  readonly clockToleranceSeconds: number
  /** A claim name or a JSON Pointer; undefined reads `scope`, or `scp` where `scope` is missing or empty. */
  readonly scopeClaim?: string | undefined
  /** A claim name or a JSON Pointer. */
  readonly rolesClaim: string
}

/**
 * @param tenure says for how long a stream may go on; undefined where `exp` does
 * @throws {Denial} `claim_invalid`: the scope claim is neither a string nor an array of scope tokens
 */
type PrincipalReader = (claims: Claims, checked: CheckedClaims, tenure?: Tenure) => Principal

export function principalReader(options: PrincipalOptions): PrincipalReader {
  const { provider, clockToleranceSeconds, scopeClaim, rolesClaim } = options
  const readScope: ClaimReader = scopeClaim === undefined ? scopeOrScp : claimReader(scopeClaim)
  const readRoles = claimReader(rolesClaim)
  return (claims, { audiences, expiresAtSeconds, confirmation }, tenure) =>
    Object.freeze({
      provider,
      claims,
      scopes: scopeSet(readScope(claims)),
      roles: roleSet(readRoles(claims)),
      audiences,
      expiresAtSeconds,
      validUntilMs: (expiresAtSeconds + clockToleranceSeconds) * 1000,
      confirmation,
      standing: { fingerprints: [], reader: undefined, clearAt: 0 },
      kept: { newest: undefined },
      tenure,
    })
}

/** Some providers send an empty `scope` beside the `scp` that they mean. */
function scopeOrScp({ scope, scp }: Claims): JsonValue | undefined {
  return isEmptyScope(scope) ? (scp ?? scope) : scope
}

function isEmptyScope(value: JsonValue | undefined): boolean {
  if (typeof value === 'string') return /^ *$/.test(value)
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

function scopeSet(value: JsonValue | undefined): ReadonlySet<string> {
  if (value === undefined || value === null) return scopesOf('')
  if (typeof value === 'string') return scopesOf(value)
  if (Array.isArray(value) && value.every(isScopeToken)) return scopesOf(value.join(' '))
  throw new Denial('claim_invalid', { evidence: { claim: 'scope', reason: 'neither a string nor a list of scopes' } })
}

/**
 * Thousands of tokens are remembered and few sets of scopes and roles are in use, so tokens share them: two sets of its
 * own are a quarter of what one token takes.
 */
const SHARED_SETS = { maxEntries: 256, maxKeyLength: 1024 }

/** @param scope joined by blanks */
const scopesOf = boundedMemo<ReadonlySet<string>>(
  scope => new Set(scope.split(' ').filter(each => each !== '')),
  SHARED_SETS,
)

/** @param json a list of strings */
const rolesOf = boundedMemo<ReadonlySet<string>>(json => new Set(JSON.parse(json) as string[]), SHARED_SETS)

/** A member with a blank would be one scope here and two at a service that splits the header at blanks. */
function isScopeToken(value: JsonValue): value is string {
  return typeof value === 'string' && value !== '' && !value.includes(' ')
}

/**
 * A claim of an odd type holds no roles, and is not refused: some providers send an object under that name, and their
 * callers can still use every route that asks for no role. Requirements on roles are positive, so none grants nothing.
 */
function roleSet(value: JsonValue | undefined): ReadonlySet<string> {
  const members: readonly JsonValue[] = Array.isArray(value) ? value : [value ?? null]
  return rolesOf(JSON.stringify(members.filter(isScalar).map(String)))
}

function isScalar(value: JsonValue): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
