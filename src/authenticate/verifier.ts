/**
 * Says what a type of provider implements so that routes can accept its tokens: a {@link TokenVerifier}.
 *
 * A verdict is remembered and shared by all requests that bring the token, so a verifier sees the token and nothing of
 * the request that brought it. What depends on the request is a layer outside the token cache (`layers.ts`).
 */
import type { TokenStage } from '../errors.ts'
import type { TenantJudge } from '../issuer-template.ts'
import type { KeyParameter } from '../lib/key-parameters.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Principal, ProviderHealth } from '../types.ts'
import type { Decryption } from './decryption.ts'
import type { Jwt } from './jwt/parse-jwt.ts'

/** A token as it arrived, taken apart at most once. */
export interface PresentedToken {
  readonly token: string
  /** The parts of a JWT, which nobody has verified yet; undefined for an opaque token. */
  readonly jwt: Jwt | undefined
  /** Whether the JWT came inside of an encrypted token. */
  readonly wasEncrypted: boolean
}

/**
 * What was found out about one token, with all that has to hold for it to stay true.
 *
 * @template Basis what the verdict rests on: a key, the answer of a server, a session. Only its verifier looks at it.
 */
export interface Verdict<Basis = unknown> {
  readonly principal: Principal
  readonly notBeforeSeconds: number | undefined
  readonly basis: Basis
}

/** Says which JWTs are those of a verifier. No two verifiers of a route may take the same one. */
export interface TakenJwts {
  /** Those whose `iss` is one of these, byte for byte. */
  readonly issuers: ReadonlySet<string>
  /** Those whose issuer it stands for; undefined: no others. */
  readonly template: TakenTenants | undefined
  /** Those whose `sub` is of this SPIFFE trust domain, unless their issuer is configured; left out: none. */
  readonly trustDomain?: string | undefined
  /** Header parameters with keys of the sender's choice that do not get its tokens refused. Nobody uses them either. */
  readonly ignoredHeaders: readonly KeyParameter[]
}

/** Many issuers, one for each tenant. */
export interface TakenTenants {
  readonly judge: TenantJudge
  /** @returns whether an issuer has the form of these */
  isAlike(iss: string): boolean
}

/** Judges the tokens of one provider. A verdict goes back to the verifier that gave it, and to no other. */
export interface TokenVerifier<Basis = unknown> {
  /** The provider's id in the configuration. */
  readonly provider: string
  /** Which JWTs are brought to it; undefined for a verifier that takes none. */
  readonly takesJwts: TakenJwts | undefined
  /**
   * Whether an opaque token is one of its own; undefined for a verifier that takes none. At most one verifier of a
   * route says so of any token.
   */
  readonly takesOpaque: ((token: string) => boolean) | undefined
  /** How its tokens are decrypted; undefined for a verifier that takes no encrypted ones. */
  readonly decryption: Decryption | undefined
  /** What it checks of a token, in any order: of a good token, `token verify` says of these that they held. */
  readonly checks: readonly TokenStage[]
  /**
   * Answers at once unless something has to be waited for.
   *
   * @throws {Denial} the token is refused, or what it takes to judge it is not there (503)
   */
  verify(presented: PresentedToken): MaybePromise<Verdict<Basis>>
  /** True while what the verdict rests on is still in force. */
  stillHolds(verdict: Verdict<Basis>): boolean
  /** @throws {Denial} `token_expired`, `token_not_yet_valid` */
  checkTime(verdict: Verdict<Basis>): void
  health(): ProviderHealth
}
