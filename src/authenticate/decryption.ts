/**
 * Says what a provider decrypts, and with which keys.
 *
 * RFC 7518 §4.1 and §5.1, RFC 8037 §3.2. What the two lists lack can never be configured. With `dir`, A*KW and A*GCMKW
 * both sides share a secret. With PBES2 the caller chooses how long we count. RSA1_5 tells attackers about paddings by
 * how long it takes (Bleichenbacher; RFC 8725 §3.2).
 */
import type { KeyObject } from 'node:crypto'
import type { JsonObject } from '../types.ts'

/** How the key that encrypts the content is agreed on or brought along: `alg`. */
export const KEY_MANAGEMENT_ALGORITHMS = [
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A192KW',
  'ECDH-ES+A256KW',
  'RSA-OAEP',
  'RSA-OAEP-256',
  'RSA-OAEP-384',
  'RSA-OAEP-512',
] as const

type KeyManagementAlgorithm = (typeof KEY_MANAGEMENT_ALGORITHMS)[number]

/** How the content is encrypted: `enc`. */
export const CONTENT_ENCRYPTIONS = [
  'A128GCM',
  'A192GCM',
  'A256GCM',
  'A128CBC-HS256',
  'A192CBC-HS384',
  'A256CBC-HS512',
] as const

type ContentEncryption = (typeof CONTENT_ENCRYPTIONS)[number]

/** What is decrypted where the configuration lists nothing. */
export const DEFAULT_KEY_MANAGEMENT: readonly KeyManagementAlgorithm[] = ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256']
export const DEFAULT_ENCRYPTIONS: readonly ContentEncryption[] = [
  'A256GCM',
  'A128GCM',
  'A128CBC-HS256',
  'A256CBC-HS512',
]

interface DecryptionRules {
  readonly algorithms: readonly string[]
  readonly encryptions: readonly string[]
  /** Whether plain tokens are refused. */
  readonly required: boolean
}

export interface DecryptionKey {
  /** The JWK's `kid`, else the thumbprint. */
  readonly kid: string
  /** SHA-256 thumbprint in base64url (RFC 7638): the same key has the same one, whatever its name. */
  readonly thumbprint: string
  /** What a key of its type can do, narrowed by the JWK's `alg`. */
  readonly algorithms: ReadonlySet<string>
  /** Private. */
  readonly key: KeyObject
  /** What the issuer needs, with `use` and `kid`, and with `alg` where the JWK names one. */
  readonly publicJwk: JsonObject
}

export interface Decryption extends DecryptionRules {
  /** The newest comes first. All of them open tokens. */
  readonly keys: readonly DecryptionKey[]
}

export interface DecryptedToken {
  /** The plaintext, which is meant to be a compact JWS. */
  readonly jws: string
  /** The ids of those whose rules allow the header and who hold the key that opened it. */
  readonly providers: ReadonlySet<string>
}

/** Opens an encrypted token. It rejects with a `Denial` for what it does not open. */
export type TokenDecrypter = (token: string) => Promise<DecryptedToken>

export interface ProviderDecryption {
  readonly provider: string
  readonly decryption: Decryption
}

/** Makes what opens the tokens of these providers, in their order. */
export type DecrypterOf = (decryptions: readonly ProviderDecryption[]) => TokenDecrypter
