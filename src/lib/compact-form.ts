/**
 * Tells the forms of tokens apart by their number of parts: a JWS has three and a JWE five.
 *
 * RFC 7515 §3.1, RFC 7516 §3.1. What the parts hold is not looked at.
 */

const JWS_PARTS = 3
const JWE_PARTS = 5

/** `neither` is a token that is opaque, or no token at all. */
export type CompactForm = 'jws' | 'jwe' | 'neither'

export function compactForm(token: string): CompactForm {
  const parts = token.split('.', JWE_PARTS + 1).length
  if (parts === JWS_PARTS) return 'jws'
  return parts === JWE_PARTS ? 'jwe' : 'neither'
}
