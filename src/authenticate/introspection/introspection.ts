/**
 * Judges the tokens of one provider by what its server says of them, and the claims of that answer.
 *
 * RFC 7662 §2.2 (the answer), §4 (a server that says nothing about audiences leaves that to us), RFC 9701 §8. That a
 * token is active does not say that it is an access token, nor that it is meant for us. Whom to ask, and how long an
 * answer counts, is for the {@link Introspector}.
 */
import { Denial, type TokenStage } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { evidenceText } from '../../lib/evidence-text.ts'
import { andThen } from '../../lib/maybe-promise.ts'
import type { Claims } from '../../types.ts'
import { type ClaimRules, checkClaims, checkTime, invalid } from '../claim-checks.ts'
import { attributed } from '../evidence.ts'
import { principalReader } from '../principal.ts'
import type { PresentedToken, TokenVerifier, Verdict } from '../verifier.ts'
import type { ActiveAnswer, Introspector } from './answer.ts'

/** What decides whether an active token is accepted. It is plain data, so that equal rules can be recognised. */
export type IntrospectionRules = {
  /** The provider's id in the configuration. */
  readonly provider: string
  /** Compared byte for byte with `iss`, where an answer has one. */
  readonly issuer: string
  /** At least one; a token must be meant for at least one of them. */
  readonly audiences: readonly string[]
  /** Whether an answer that names no audience is fine. */
  readonly audienceCheckedByServer: boolean
  /** How an opaque token may begin; empty: any way. */
  readonly prefixes: readonly string[]
  /** Shorter opaque tokens are not asked about. */
  readonly minBytes: number
  /** Whether JWTs of the issuer are asked about, too. */
  readonly jwts: boolean
  readonly clockToleranceSeconds: number
  readonly maxLifetimeSeconds?: number | undefined
  readonly requiredClaims: readonly string[]
  readonly scopeClaim?: string | undefined
  readonly rolesClaim: string
}

interface IntrospectionVerifierOptions extends IntrospectionRules {
  readonly introspector: Introspector
  readonly clock: Clock
}

const CHECKS: readonly TokenStage[] = [
  'form',
  'issuer',
  'introspection',
  'type',
  'claims',
  'audience',
  'lifetime',
  'time',
]

/** Makes a verifier whose verdicts rest on the answer of a server. */
export function introspectionVerifier(options: IntrospectionVerifierOptions): TokenVerifier<ActiveAnswer> {
  const { provider, issuer, introspector, clockToleranceSeconds, prefixes, minBytes } = options
  const rules: ClaimRules = {
    audiences: new Set(options.audiences),
    audienceClaim: 'aud',
    isAudienceOptional: options.audienceCheckedByServer,
    isExpiryOptional: true,
    clockToleranceSeconds,
    maxLifetimeSeconds: options.maxLifetimeSeconds,
    requiredClaims: options.requiredClaims,
  }
  const readPrincipal = principalReader(options)
  const nowSeconds = (): number => options.clock.nowMs() / 1000

  /** @throws {Denial} the token is active, and refused all the same */
  const judged = (claims: Claims) => {
    const now = nowSeconds()
    checkIssuer(claims, issuer)
    checkAccessToken(claims)
    const checked = checkClaims(claims, rules, now)
    checkTime(checked, clockToleranceSeconds, now)
    return checked
  }

  const isGood = (claims: Claims): boolean => {
    try {
      judged(claims)
      return true
    } catch (error) {
      if (error instanceof Denial) return false
      throw error
    }
  }

  const verdict = (answer: ActiveAnswer): Verdict<ActiveAnswer> => {
    const { claims } = answer
    const checked = judged(claims)
    return Object.freeze({
      principal: readPrincipal(claims, checked, introspector.tenureOf(answer, isGood)),
      notBeforeSeconds: checked.notBeforeSeconds,
      basis: answer,
    })
  }

  const refuse = (error: unknown): never => {
    throw attributed(error, provider, {})
  }

  return Object.freeze({
    provider,
    takesJwts: options.jwts ? { issuers: new Set([issuer]), template: undefined, ignoredHeaders: [] } : undefined,
    takesOpaque: (token: string) =>
      token.length >= minBytes && (prefixes.length === 0 || prefixes.some(prefix => token.startsWith(prefix))),
    decryption: undefined,
    checks: CHECKS,
    verify({ token }: PresentedToken) {
      try {
        const found = andThen(introspector.about(token), verdict)
        return found instanceof Promise ? found.catch(refuse) : found
      } catch (error) {
        return refuse(error)
      }
    },
    stillHolds: ({ basis }: Verdict<ActiveAnswer>) => introspector.stillHolds(basis),
    checkTime({ principal: { expiresAtSeconds }, notBeforeSeconds }: Verdict<ActiveAnswer>) {
      try {
        checkTime({ expiresAtSeconds, notBeforeSeconds }, clockToleranceSeconds, nowSeconds())
      } catch (error) {
        refuse(error)
      }
    },
    health() {
      const status = introspector.status()
      return {
        usable: status.endpoint !== undefined,
        lastError: status.lastError,
        kind: 'introspection' as const,
        introspection: status,
      }
    },
  })
}

function checkIssuer({ iss }: Claims, issuer: string): void {
  if (iss === undefined || iss === issuer) return
  const evidence = typeof iss === 'string' ? { iss: evidenceText(iss) } : { reason: 'iss is no string' }
  throw new Denial('issuer_unknown', { evidence })
}

/**
 * Attack: a refresh token or an ID token is presented. Servers call it active, and many say in one of these members
 * what it is. `token_type` is that of RFC 6749 §5.1 and RFC 9449 §5, or what Keycloak and Hydra write there.
 */
function checkAccessToken(claims: Claims): void {
  for (const [name, accepted] of TYPES) {
    const value = claims[name]
    if (value === undefined || value === null) continue
    if (typeof value !== 'string') throw invalid(name, 'not a string')
    if (!accepted.has(value.toLowerCase()))
      throw new Denial('token_type_invalid', { evidence: { [name]: evidenceText(value) } })
  }
  const { token_type: type } = claims
  if (typeof type === 'string' && type.toLowerCase() === 'dpop' && claims.cnf === undefined)
    throw invalid('cnf', 'missing, although token_type is DPoP')
}

const ACCESS = ['access_token', 'access'] as const
const SCHEMES = ['bearer', 'dpop'] as const
const TYPES: ReadonlyArray<readonly [name: string, accepted: ReadonlySet<string>]> = [
  ['token_use', new Set(ACCESS)],
  ['token_type', new Set([...ACCESS, ...SCHEMES])],
  ['typ', new Set([...ACCESS, ...SCHEMES, 'jwt', 'at+jwt'])],
]
