/** Finds the keys for encrypted tokens that a configuration names, and what an issuer needs of them (RFC 7517 §5). */
import type { DecryptedToken, ProviderDecryption } from '../../authenticate/decryption.ts'
import { decryptionGate } from '../../authenticate/encrypted/gate.ts'
import { tokenDecrypter } from '../../authenticate/encrypted/token-decrypter.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { readDecryption } from '../../run/decryption.ts'
import type { JsonObject } from '../../types.ts'

/**
 * @param id the only provider that counts; undefined: all of them
 * @returns those that decrypt
 */
export function decryptionsOf({ providers }: Config, id?: string): readonly ProviderDecryption[] {
  return Object.entries(providers).flatMap(([provider, config]) => {
    const read = id === undefined || id === provider ? readDecryption(providerTraits(config).decryption) : undefined
    return read === undefined ? [] : [{ provider, decryption: read.decryption }]
  })
}

/** Says which providers have keys: for tokens that issuers encrypt, and for answers about tokens alone. */
export function providersWithKeys({ providers }: Config): Readonly<Record<'tokens' | 'answers', readonly string[]>> {
  const having = (use: 'tokens' | 'answers'): readonly string[] =>
    Object.entries(providers).flatMap(([id, config]) =>
      providerTraits(config).decryption !== undefined && byProviderType(USES, config) === use ? [id] : [],
    )
  return { tokens: having('tokens'), answers: having('answers') }
}

/** What the keys of a provider open. */
const USES: ByProviderType<'tokens' | 'answers'> = {
  jwt: () => 'tokens',
  introspection: () => 'answers',
  session: () => 'answers',
  spiffe: () => 'tokens',
}

/** Returns the public halves as a JWK Set, each once, in the order of `keyFiles`. */
export function publicSet(decryptions: readonly ProviderDecryption[]): { readonly keys: readonly JsonObject[] } {
  const keys = decryptions.flatMap(({ decryption }) => decryption.keys.map(({ publicJwk }) => publicJwk))
  return { keys: [...new Map(keys.map(jwk => [JSON.stringify(jwk), jwk])).values()] }
}

/** Opens one token as the gateway does. It rejects with a {@link Denial} as the gateway would refuse it. */
export function opened(token: string, decryptions: readonly ProviderDecryption[]): Promise<DecryptedToken> {
  const gate = decryptionGate({ atOnce: 1, waiting: 0 })
  return tokenDecrypter({ decryptions, gate, onResult() {} })(token)
}
