/**
 * Reads a claim by its name, or by a JSON Pointer when the reference starts with `/`.
 *
 * RFC 6901 (JSON Pointer). A name is never split on dots: `https://example.com/roles` is one claim.
 * Only own members count, so no reference reaches a prototype.
 */
import type { Claims, JsonValue } from './types.ts'

export type ClaimReader = (claims: Claims) => JsonValue | undefined

/** @throws {SyntaxError} a pointer with an invalid `~` escape */
export function claimReader(reference: string): ClaimReader {
  if (!reference.startsWith('/')) return claims => (Object.hasOwn(claims, reference) ? claims[reference] : undefined)
  const tokens = reference.slice(1).split('/').map(unescapeToken)
  return claims => tokens.reduce<JsonValue | undefined>(step, claims)
}

function unescapeToken(token: string): string {
  if (/~(?![01])/.test(token)) throw new SyntaxError(`invalid JSON Pointer: "~" must be written as "~0", "/" as "~1"`)
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}

function step(value: JsonValue | undefined, token: string): JsonValue | undefined {
  if (Array.isArray(value))
    return /^(0|[1-9]\d*)$/.test(token) ? (value[Number(token)] as JsonValue | undefined) : undefined
  if (typeof value !== 'object' || value === null) return undefined
  return Object.hasOwn(value, token) ? (value as Claims)[token] : undefined
}
