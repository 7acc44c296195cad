/** Knows the characters of a credential: `token68` of RFC 9110 §11.2, which is the `b64token` of RFC 6750 §2.1. */

const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/

export function isToken68(text: string): boolean {
  return TOKEN68.test(text)
}
