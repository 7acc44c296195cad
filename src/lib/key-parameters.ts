/**
 * Names the header parameters of a JWS that carry a key, or say where one is.
 *
 * RFC 7515 §4.1.2 (`jku`), §4.1.3 (`jwk`), §4.1.5 (`x5u`), §4.1.6 (`x5c`). Nobody may use what they hold: whoever makes
 * a token would choose the key that verifies it (RFC 8725 §2.7, §3.10).
 */
export const KEY_PARAMETERS = ['jku', 'x5u', 'x5c', 'jwk'] as const

export type KeyParameter = (typeof KEY_PARAMETERS)[number]
