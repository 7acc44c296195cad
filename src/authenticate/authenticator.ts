/**
 * Composes what judges the credentials of a request: the providers, the token cache, and the layers around it.
 *
 * No other file puts providers and layers together, so a command cannot call a token valid that a layer refuses. Routes
 * with the same providers share all but their layers.
 */
import type { Authenticator, AuthenticatorLayer, Claims } from '../types.ts'
import { issuerAuthenticator } from './by-issuer.ts'
import type { DecrypterOf } from './decryption.ts'
import { withLayers } from './layers.ts'
import type { TokenCache } from './token-cache.ts'
import type { TokenVerifier } from './verifier.ts'

interface AuthenticatorParts {
  /** Those whose tokens are accepted, at most one per issuer and per trust domain. */
  readonly verifiers: readonly TokenVerifier[]
  /** Undefined verifies every token on every use. */
  readonly tokenCache: TokenCache | undefined
  /** Undefined refuses encrypted tokens. */
  readonly decrypterOf?: DecrypterOf | undefined
  /** Measures verifications for whoever makes spans of them; undefined: nobody does. */
  readonly monotonicMs?: (() => number) | undefined
  /** Whether the issuer of a token is configured at all, on whichever route; left out, only `verifiers` count. */
  readonly isIssuerConfigured?: ((claims: Claims) => boolean) | undefined
}

/** @param layers the innermost comes first; what is off is undefined */
export type LayeredAuthenticator = (layers: ReadonlyArray<AuthenticatorLayer | undefined>) => Authenticator

/** @throws {RangeError} two verifiers have the same issuer, or the same trust domain */
export function layeredAuthenticator(parts: AuthenticatorParts): LayeredAuthenticator {
  const { verifiers, tokenCache: cache, decrypterOf, monotonicMs, isIssuerConfigured } = parts
  const inner = issuerAuthenticator(verifiers, { cache, decrypterOf, monotonicMs, isIssuerConfigured })
  return layers => withLayers(inner, ...layers)
}

/** The same for callers who are known already, because a login has said who they are. */
export const layeredJudged: LayeredAuthenticator = layers => withLayers(judgedBefore, ...layers)

const judgedBefore: Authenticator = ({ judged }) => {
  if (judged === undefined) throw new Error('nobody has said who this is')
  return judged
}
