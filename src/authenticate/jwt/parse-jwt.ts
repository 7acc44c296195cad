/**
 * Reads a token as a JWT: a compact JWS whose payload is a JSON object, the claims.
 *
 * RFC 7519 §7.2. Nothing here is trusted yet: nobody has judged the signature, and `claim-checks.ts` judges the claims.
 */
import type { KeyParameter } from '../../lib/key-parameters.ts'
import type { Claims } from '../../types.ts'
import { type CompactJws, jsonObject, parseCompactJws } from './compact-jws.ts'

/** This is a JWS whose payload is a JWT Claims Set. Nobody has verified it yet. */
export interface Jwt extends CompactJws {
  readonly claims: Claims
}

/**
 * @param ignored header parameters with keys that do not get the token refused
 * @throws {Denial} `token_malformed`, `algorithm_not_allowed`
 */
export function parseJwt(token: string, ignored?: readonly KeyParameter[]): Jwt {
  const { header, payload, signature } = parseCompactJws(token, ignored)
  return { token, header, payload, signature, claims: jsonObject('claims', payload) }
}
