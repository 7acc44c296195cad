/**
 * Lets claims be tried without their issuer: a key of our own stands in for every provider's, and signs real tokens.
 *
 * The claims pass through the whole pipeline (form, issuer, signature, every check of a claim), so no check has a
 * second implementation. A stand-in cannot show whether the keys and algorithms of the real provider fit.
 * The key lives as long as the process and is never written anywhere.
 */

import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { CompactSign } from 'jose'
import type { IntrospectionAnswer } from '../../authenticate/introspection/answer.ts'
import { introspectionVerifier } from '../../authenticate/introspection/introspection.ts'
import { jwtVerifier } from '../../authenticate/jwt/jwt.ts'
import { jwtSvidVerifier } from '../../authenticate/jwt/jwt-svid.ts'
import { takesNoTokens } from '../../authenticate/takes-no-tokens.ts'
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import { withResourceAudiences } from '../../config/resources.ts'
import { acceptedProviders, isLogin, sessionProvider } from '../../config/schema/accepted.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, ProviderConfig, RouteConfig } from '../../config/schema/schema.ts'
import { Denial } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Policy } from '../../policy.ts'
import { introspectionRules } from '../../run/introspection.ts'
import { jwtRules, jwtSvidRules } from '../../run/providers.ts'
import type { Services } from '../../run/services.ts'
import type { SessionRecord } from '../../session/session.ts'
import type { AskedOfLogin, Claims, JsonValue, KeySet, VerificationKey } from '../../types.ts'
import { type Answering, answeringFor } from './answering.ts'
import { audienceClaims, ownClaims, takesClaims } from './made-up-claims.ts'
import { type Prover, prover } from './prover.ts'
import { standInSessions } from './stand-in-session.ts'
import { toolPolicy } from './tool-policy.ts'

export interface StandIn {
  /** This is the policy of the configuration; it trusts the stand-in key in place of the providers' keys. */
  readonly policy: Policy
  /**
   * Signs a token with these claims for a request to this route.
   *
   * @param route undefined when no route takes the request
   * @param provider the id of one; undefined takes the one that `iss` names, else the first that the route accepts
   */
  token(claims: Claims, route: RouteConfig | undefined, provider?: string): Promise<StandInToken>
  /**
   * Has the servers that the route would ask say this about a token, and nothing is filled in.
   *
   * Without `token` one is made up. `provider` is the id of the only one that says it; left out, all do that the route
   * accepts, and a token that is made up is one of the first.
   *
   * @returns undefined where the route asks no server
   */
  introspected(
    answer: IntrospectionAnswer,
    route: RouteConfig | undefined,
    options?: { readonly token?: string | undefined; readonly provider?: string | undefined },
  ): IntrospectedToken | undefined
  /**
   * Logs somebody in: a session whose access token, or ID token, has these claims.
   *
   * @returns undefined where the route takes no sessions
   */
  session(
    claims: Claims,
    route: RouteConfig | undefined,
    login?: { readonly asked: AskedOfLogin | undefined },
  ): Promise<StandInSession | undefined>
  /** What judges the tokens of each provider here. */
  readonly verifiers: ReadonlyMap<string, TokenVerifier>
  /** Stands in for the client of a bound token. */
  readonly prover: Prover
}

interface StandInToken {
  readonly token: string
  /** These claims were added: a token needs them and the given claims lack them. */
  readonly filledIn: Claims
  /** Whose token it is, where a provider takes it. */
  readonly issuer: string | undefined
}

interface StandInSession extends Omit<StandInToken, 'token'> {
  /** The value of its cookie. */
  readonly cookie: string
}

interface IntrospectedToken {
  readonly token: string
  readonly issuer: string
  /** The providers whose servers say it. */
  readonly providers: readonly string[]
}

const ALGORITHM = 'EdDSA'
const KID = 'stand-in'
const LIFETIME_SECONDS = 3600

type StandInKeys = Readonly<Record<'publicKey' | 'privateKey', KeyObject>>

/**
 * Compiles the configuration with a stand-in key, which is a new one unless several are to share their tokens.
 *
 * @throws {Error} starting would throw the same
 */
export function standIn(
  config: Config,
  services: Services,
  keys: StandInKeys = generateKeyPairSync('ed25519'),
): StandIn {
  const deps = { clock: services.clock, resources: config.resources, ...keys }
  const issuers = new Map(
    Object.entries(config.providers).map(([id, provider]) => {
      const { audiences } = providerTraits(provider)
      return [id, byProviderType(ISSUERS, withResourceAudiences(config, id, provider), id, { ...deps, audiences })]
    }),
  )
  const verifiers = new Map([...issuers].map(([id, { verifier }]) => [id, verifier]))
  const nobody = jwtSigner(undefined, { ...deps, audiences: [] })
  const nonceSecret = randomBytes(32)
  const sessions = standInSessions(config, verifiers, services)
  return {
    policy: toolPolicy(config, verifiers, services, { nonceSecret, sessions }),
    prover: prover({ dpop: config.dpop, nonceSecret, clock: services.clock }),
    async token(claims, route, named) {
      const issuer = issuers.get(named ?? providerId(config, claims, route) ?? '')
      return (issuer?.token ?? nobody)(claims, route)
    },
    introspected(answer, route, { token, provider } = {}) {
      const accepted = provider === undefined ? acceptedBy(config, route) : [provider]
      const asked = accepted.flatMap(id => {
        const found = issuers.get(id)?.asks
        return found === undefined ? [] : [{ id, ...found }]
      })
      const [first] = asked
      if (first === undefined) return undefined
      const about = first.server.told(answer, token)
      for (const { server } of asked.slice(1)) server.told(answer, about)
      return { token: about, issuer: first.issuer, providers: asked.map(({ id }) => id) }
    },
    async session(claims, route, { asked } = { asked: undefined }) {
      const id = route === undefined ? undefined : sessionProvider(config, route)
      const provider = config.providers[id ?? '']
      if (id === undefined || provider?.type !== 'session') return undefined
      const signer = provider.principal === 'idToken' ? undefined : issuers.get(provider.principal)
      const idToken = { ...missingClaims(claims, undefined, route, { ...deps, audiences: [] }), ...ofLogin(provider) }
      const { token, filledIn } =
        signer === undefined
          ? { token: '', filledIn: Object.fromEntries(Object.entries(idToken).filter(([name]) => !(name in claims))) }
          : await signer.token(claims, route)
      const record = recordOf({ ...filledIn, ...claims }, token, { asked, nowMs: services.clock.nowMs() })
      return { cookie: await sessions.begin(id, record), filledIn, issuer: provider.issuer }
    },
    verifiers,
  }
}

/** What every ID token says of the login, and nothing of the person. */
function ofLogin({ issuer, client }: ProviderConfigs['session']): Claims {
  return { iss: issuer, aud: client.id }
}

/** @param claims of the token that says who it is: they stand for those of the ID token, too */
function recordOf(
  claims: Claims,
  accessToken: string,
  { asked, nowMs }: { readonly asked: AskedOfLogin | undefined; readonly nowMs: number },
): SessionRecord {
  const { sub, sid, iat, exp, scope } = claims
  return {
    generation: 1,
    subject: typeof sub === 'string' ? sub : '',
    sid: typeof sid === 'string' ? sid : undefined,
    loginAtSeconds: typeof iat === 'number' ? iat : Math.floor(nowMs / 1000),
    createdAtMs: nowMs,
    asked,
    tokens: {
      accessToken,
      expiresAtMs: typeof exp === 'number' ? exp * 1000 : Number.POSITIVE_INFINITY,
      receivedAtMs: nowMs,
      refreshToken: undefined,
      idToken: '',
      idClaims: claims,
      scope: typeof scope === 'string' ? scope : undefined,
    },
  }
}

/** Stands in for what issues the tokens of one provider. */
interface StandInIssuer {
  readonly verifier: TokenVerifier
  readonly token: (claims: Claims, route: RouteConfig | undefined) => Promise<StandInToken>
  /** Undefined for what asks no server. */
  readonly asks: { readonly server: Answering; readonly issuer: string } | undefined
}

interface StandInDeps extends StandInKeys {
  readonly clock: Clock
  readonly resources: Config['resources']
  /** Those that count on every route of the provider, as the file has them. */
  readonly audiences: readonly string[]
}

const ISSUERS: ByProviderType<StandInIssuer, [id: string, deps: StandInDeps]> = {
  jwt(provider, id, deps) {
    const keySet = standInKeySet({ kid: KID, algorithms: new Set([ALGORITHM]), key: deps.publicKey })
    const rules = jwtRules(id, { ...provider, algorithms: [ALGORITHM] })
    // Tokens are made plain here, and the files of the keys need not be there.
    const verifier = jwtVerifier({ ...rules, keySet, clock: deps.clock, decryption: undefined })
    return { verifier, token: jwtSigner(provider, deps), asks: undefined }
  },
  introspection(provider, id, deps) {
    const server = answeringFor(provider)
    const rules = introspectionRules(id, provider)
    const verifier = introspectionVerifier({ ...rules, introspector: server, clock: deps.clock })
    return {
      verifier,
      async token(claims, route) {
        const { aud, ...others } = missingClaims(claims, { ...provider, ...PLAIN }, route, deps)
        const isAsked = route?.audiences !== undefined || route?.resource !== undefined
        const isAudienceNeeded = !provider.audienceCheckedByServer || isAsked
        const filledIn = isAudienceNeeded && aud !== undefined ? { ...others, aud } : others
        const token = server.told({ active: true, claims: { ...filledIn, ...claims } })
        return { token, filledIn, issuer: provider.issuer }
      },
      asks: { server, issuer: provider.issuer },
    }
  },
  spiffe(provider, id, deps) {
    const keySet = standInKeySet({ kid: KID, algorithms: new Set([ALGORITHM]), key: deps.publicKey })
    const algorithms = new Set([ALGORITHM])
    const verifier = jwtSvidVerifier({ ...jwtSvidRules(id, provider), algorithms, keySet, clock: deps.clock })
    return { verifier, token: jwtSigner({ ...provider, ...PLAIN }, deps), asks: undefined }
  },
  session: (_provider, id, deps) => ({
    verifier: takesNoTokens(id, () => ({ kind: 'keyless', usable: true, lastError: undefined })),
    token: jwtSigner(undefined, deps),
    asks: undefined,
  }),
}

/** How a token looks where its provider has nothing to say of that. */
const PLAIN = { audienceClaim: 'aud', tokenType: 'compatible' } as const

/** @param provider undefined when no provider takes the token */
function jwtSigner(provider: TakesClaims | undefined, deps: StandInDeps): StandInIssuer['token'] {
  return async (claims, route) => {
    const filledIn = missingClaims(claims, provider, route, deps)
    const payload = Buffer.from(JSON.stringify({ ...filledIn, ...claims }))
    const typ = provider?.tokenType === 'at+jwt' ? { typ: 'at+jwt' } : {}
    const token = await new CompactSign(payload)
      .setProtectedHeader({ alg: ALGORITHM, kid: KID, ...typ })
      .sign(deps.privateKey)
    const { iss } = { ...filledIn, ...claims }
    return { token, filledIn, issuer: typeof iss === 'string' ? iss : undefined }
  }
}

function standInKeySet(key: VerificationKey): KeySet {
  return {
    select({ kid }) {
      if (kid !== KID) throw new Denial('key_unknown', { evidence: { reason: 'only the stand-in key is known here' } })
      return [key]
    },
    isCurrent: () => true,
    status: () => ({ usable: true, keys: [], skipped: {}, lastSuccessSeconds: undefined, lastError: undefined }),
  }
}

function acceptedBy({ providers }: Config, route: RouteConfig | undefined): readonly string[] {
  // A session is no token: whose claims these are, a provider of tokens says.
  return acceptedProviders({ providers }, route ?? {}).filter(id => !isLogin(providers[id]))
}

function providerId(config: Config, claims: Claims, route: RouteConfig | undefined): string | undefined {
  const accepted = acceptedBy(config, route).flatMap(id => {
    const provider = config.providers[id]
    return provider === undefined
      ? []
      : [{ id, provider, isOfDomain: providerTraits(provider).trustDomain !== undefined }]
  })
  const others = accepted.filter(({ isOfDomain }) => !isOfDomain)
  const ofDomain = accepted.find(({ provider, isOfDomain }) => isOfDomain && takesClaims(provider, claims))
  if (claims.iss === undefined) return (ofDomain ?? others[0] ?? accepted[0])?.id
  return (others.find(({ provider }) => takesClaims(provider, claims)) ?? ofDomain)?.id
}

/** What decides which claims a token needs. */
type TakesClaims = ProviderConfig & Pick<ProviderConfigs['jwt'], 'audienceClaim' | 'tokenType' | 'maxLifetime'>

/** Makes up the claims that every token needs and that say nothing about the caller, where they are missing. */
function missingClaims(
  claims: Claims,
  provider: TakesClaims | undefined,
  route: RouteConfig | undefined,
  { clock, resources, audiences }: StandInDeps,
): Claims {
  const nowSeconds = Math.floor(clock.nowMs() / 1000)
  const { iat, exp } = claims
  // A token that has expired was issued before it did.
  const issuedAt = typeof exp === 'number' ? Math.min(nowSeconds, Math.max(0, exp - 1)) : nowSeconds
  const lifetimeSeconds = Math.min(LIFETIME_SECONDS, (provider?.maxLifetime ?? Number.POSITIVE_INFINITY) / 1000)
  const suggested: Readonly<Record<string, JsonValue | undefined>> = {
    ...(provider && ownClaims(provider, claims, 'stand-in')),
    ...(provider && audienceClaims(provider, audience(audiences, route, resources))),
    iat: issuedAt,
    exp: (typeof iat === 'number' ? iat : nowSeconds) + lifetimeSeconds,
    jti: provider?.tokenType === 'at+jwt' ? 'stand-in' : undefined,
  }
  const missing = Object.entries(suggested).filter(
    ([name, value]) => value !== undefined && !Object.hasOwn(claims, name),
  )
  return Object.fromEntries(missing) as Claims
}

/**
 * Picks an audience that provider and route both accept; where there is none, the token names one of each. The URL of
 * the route's resource is one of both.
 */
function audience(
  ofProvider: readonly string[],
  route: Pick<RouteConfig, 'audiences' | 'resource'> | undefined,
  resources: Config['resources'],
): JsonValue {
  const url = route?.resource === undefined ? undefined : resources[route.resource]?.url
  if (url !== undefined) return url
  const [first = ''] = ofProvider
  const ofRoute = route?.audiences
  if (ofRoute === undefined) return first
  return ofRoute.find(each => ofProvider.includes(each)) ?? [first, ...ofRoute.slice(0, 1)]
}
