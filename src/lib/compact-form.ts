/**
 * Tells the forms of tokens apart by their number of parts: a JWS has three and a JWE five.
 *
 * RFC 7515 §3.1, RFC 7516 §3.1. What the parts hold is not looked at.
 */

const JWS_PARTS = 3
const JWE_PARTS = 5

/** @returns `neither` for a token that is opaque, or no token at all */
export function compactForm(token: string): 'jws' | 'jwe' | 'neither' {
  const parts = token.split('.', JWE_PARTS + 1).length
  if (parts === JWS_PARTS) return 'jws'
  return parts === JWE_PARTS ? 'jwe' : 'neither'
}
