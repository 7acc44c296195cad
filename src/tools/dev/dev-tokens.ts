/**
 * Makes the tokens with which somebody tries a policy of their own: for each route one that may do all of it there, and
 * others that are refused. They say what the providers of the file ask of a token, so that nothing there has to change.
 */
import { randomBytes } from 'node:crypto'
import { acceptedProviders, isLogin } from '../../config/schema/accepted.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config, RequireConfig, RouteConfig } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Claims } from '../../types.ts'
import { satisfyingClaims, tokenProviderOf, withClaim } from './route-claims.ts'

interface DevTokensOptions {
  /** The configuration in force. */
  readonly config: () => Config
  /** Claims and scope of every token, in place of what is made up. */
  readonly claims: Claims
  readonly scope: string | undefined
  readonly clock: Clock
}

type DevAlgorithm = 'RS256' | 'ES256' | 'EdDSA'
type Sign = (claims: Claims, algorithm: DevAlgorithm, typ?: string) => Promise<string>

export interface DevTokens {
  /**
   * Makes the token of a route, or one that is `plain` (valid, and nothing more) or `expired`.
   *
   * @param query `scope`, `provider`, and further claims as text
   * @returns undefined where there is no such route, or it takes no tokens
   */
  token(name: string, query: URLSearchParams, sign: Sign): Promise<string | undefined>
  /** What is known of a token that the provider's server is asked about; undefined: it is not active. */
  introspected(provider: string, token: string): Claims | undefined
  /** What a token says of somebody who has signed in; `alice` is given all that routes with this login ask for. */
  loginClaims(sessionProvider: string, account: string, scope: string): Claims
}

/** So many opaque tokens are known at a time. */
const MOST_OPAQUE = 1_000
const EXPIRED_SECONDS = 60
/** Routes get in everywhere under this name. */
export const EDITOR = 'alice'

export function devTokens({ config, claims: always, scope, clock }: DevTokensOptions): DevTokens {
  const opaque = new Map<string, { readonly provider: string; readonly claims: Claims }>()
  const nowSeconds = (): number => Math.floor(clock.nowMs() / 1_000)

  async function issued(providerId: string, claims: Claims, sign: Sign): Promise<string> {
    const provider = config().providers[providerId]
    const typ = provider && providerTraits(provider).trustDomain === undefined ? undefined : 'JWT'
    if (provider?.type !== 'introspection') return sign(claims, algorithmOf(config(), providerId), typ)
    const [prefix = ''] = provider.tokens.prefixes
    const token = prefix + randomBytes(Math.max(24, provider.tokens.minBytes)).toString('base64url')
    opaque.set(token, { provider: providerId, claims })
    const [oldest] = opaque.keys()
    if (opaque.size > MOST_OPAQUE && oldest !== undefined) opaque.delete(oldest)
    return token
  }

  return {
    async token(name, query, sign) {
      const inForce = config()
      const route =
        inForce.routes.find(({ id }) => id === name) ?? (name === 'plain' || name === 'expired' ? {} : undefined)
      const providerId = query.get('provider') ?? (route && tokenProviderOf(inForce, route))
      const provider = inForce.providers[providerId ?? '']
      if (route === undefined || providerId === undefined || provider === undefined) return undefined
      if (provider.type === 'session') return undefined
      const { require, audiences }: Partial<RouteConfig> = route
      const wantedScope = query.get('scope') ?? scope
      const further = Object.fromEntries([...query].filter(([key]) => key !== 'scope' && key !== 'provider'))
      const named = { ...always, ...further }
      const given =
        wantedScope === null || wantedScope === undefined
          ? named
          : withClaim(named, provider.scopeClaim ?? 'scope', wantedScope)
      const claims = satisfyingClaims({
        config: inForce,
        providerId,
        nowSeconds: nowSeconds(),
        require,
        audiences,
        given,
      })
      const past = nowSeconds() - EXPIRED_SECONDS
      return issued(providerId, name === 'expired' ? { ...claims, iat: past - 60, exp: past } : claims, sign)
    },
    introspected(provider, token) {
      const known = opaque.get(token)
      return known?.provider === provider ? known.claims : undefined
    },
    loginClaims(sessionProvider, account, granted) {
      const inForce = config()
      const login = inForce.providers[sessionProvider]
      const principal = login?.type === 'session' ? login.principal : 'idToken'
      const require = account === EDITOR ? allAsked(inForce, sessionProvider) : undefined
      const judge = inForce.providers[principal]
      const scopeClaim = (judge?.type !== 'session' && judge?.scopeClaim) || 'scope'
      const given = withClaim({ ...always, sub: account }, scopeClaim, granted)
      if (judge === undefined) return { ...requiredClaims(require), ...given }
      return satisfyingClaims({ config: inForce, providerId: principal, nowSeconds: nowSeconds(), require, given })
    },
  }
}

/** The algorithm that the provider takes; the overlay has left it one that is ours. */
export function algorithmOf({ providers }: Config, id: string): DevAlgorithm {
  const provider = providers[id]
  const taken = provider?.type === 'jwt' ? provider.algorithms : undefined
  return (['RS256', 'ES256', 'EdDSA'] as const).find(each => taken?.includes(each) ?? true) ?? 'RS256'
}

/** Claims of an ID token, which no provider of tokens judges. */
function requiredClaims(require: RequireConfig | undefined): Claims {
  const roles = [...(require?.roles ?? []), ...(require?.anyRole ?? [])]
  return roles.length === 0 ? {} : { roles }
}

/** All that the routes with this login ask for, scopes aside: of those the login has what it asked for. */
function allAsked(config: Config, sessionProvider: string): RequireConfig {
  const asked = config.routes
    .filter(route => acceptedProviders(config, route).includes(sessionProvider))
    .flatMap(({ require }) => (require === undefined ? [] : [require]))
  return {
    roles: asked.flatMap(({ roles = [], anyRole = [] }) => [...roles, ...anyRole]),
    claims: Object.assign({}, ...asked.map(({ claims }) => claims).toReversed()),
    acr: asked.find(({ acr }) => acr !== undefined)?.acr,
    authAge: asked.find(({ authAge }) => authAge !== undefined)?.authAge,
  }
}

/** The providers of sessions in a configuration. */
export function loginsIn({ providers }: Config): readonly string[] {
  return Object.keys(providers).filter(id => isLogin(providers[id]))
}
