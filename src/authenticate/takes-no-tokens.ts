/** Stands for a provider that no token is brought to, because its callers bring something else. */
import type { ProviderHealth } from '../types.ts'
import type { TokenVerifier } from './verifier.ts'

export function takesNoTokens(provider: string, health: () => ProviderHealth): TokenVerifier {
  return {
    provider,
    takesJwts: undefined,
    takesOpaque: undefined,
    decryption: undefined,
    checks: [],
    verify() {
      throw new Error('a provider that takes no tokens was given one')
    },
    stillHolds: () => false,
    checkTime() {},
    health,
  }
}
