/**
 * Makes up claims with which a token may do all that a route asks of its caller, issued by a provider of the file.
 *
 * Where any one of several values will do, it is the first. A key that a token is bound to is no claim that could be
 * made up, so routes with `require.proof` stay closed.
 */
import { acceptedProviders, isLogin } from '../../config/schema/accepted.ts'
import type { ClaimRequirement, Config, RequireConfig, RouteConfig } from '../../config/schema/schema.ts'
import type { Claims, JsonValue } from '../../types.ts'
import { audienceClaims, audienceOfAll, ownClaims } from '../engine/made-up-claims.ts'

/** The provider whose tokens a route takes first, by its id; undefined: it takes none. */
export function tokenProviderOf(config: Config, route: Pick<RouteConfig, 'providers'>): string | undefined {
  return acceptedProviders(config, route).find(id => !isLogin(config.providers[id]))
}

interface AskedClaims {
  readonly config: Config
  readonly providerId: string
  readonly nowSeconds: number
  /** What is asked for; left out, nothing but a valid token. */
  readonly require?: RequireConfig | undefined
  readonly audiences?: readonly string[] | undefined
  /** These count in place of what is made up. */
  readonly given: Claims
}

const LIFETIME_SECONDS = 3_600
const SUBJECT = 'alice'

export function satisfyingClaims({
  config,
  providerId,
  nowSeconds,
  require = {},
  audiences,
  given,
}: AskedClaims): Claims {
  const provider = config.providers[providerId]
  if (provider === undefined || provider.type === 'session') return given
  const seconds = Math.min(LIFETIME_SECONDS, (provider.maxLifetime ?? Number.POSITIVE_INFINITY) / 1_000)
  const scopes = [...(require.scopes ?? []), ...(require.anyScope?.slice(0, 1) ?? [])]
  const roles = [...(require.roles ?? []), ...(require.anyRole?.slice(0, 1) ?? [])]
  const named = [audienceOfAll(config, providerId), ...(audiences?.slice(0, 1) ?? [])].flat()
  const audience = named.length === 1 ? (named[0] ?? '') : [...new Set(named)]
  const shape = provider.type === 'jwt' ? provider : ({ audienceClaim: 'aud', tokenType: 'compatible' } as const)
  const asked: ReadonlyArray<readonly [string, JsonValue]> = [
    ...provider.requiredClaims.map(name => [name, 'made-up'] as const),
    ...(scopes.length === 0 ? [] : [[provider.scopeClaim ?? 'scope', scopes.join(' ')] as const]),
    ...(roles.length === 0 ? [] : [[provider.rolesClaim, roles] as const]),
    ...Object.entries(require.claims ?? {}).map(([name, wanted]) => [name, wantedValue(wanted)] as const),
    ...(require.acr === undefined ? [] : [['acr', require.acr[0] ?? ''] as const]),
  ]
  const timeless = asked.reduce<Claims>((claims, [name, value]) => withClaim(claims, name, value), {
    sub: SUBJECT,
    ...ownClaims(provider, given, SUBJECT),
    ...audienceClaims(shape, audience),
    client_id: 'sallyport-dev',
  })
  return {
    ...timeless,
    iat: nowSeconds,
    exp: nowSeconds + seconds,
    ...(require.authAge !== undefined && { auth_time: nowSeconds }),
    ...given,
  }
}

function wantedValue(wanted: ClaimRequirement): JsonValue {
  if ('exists' in wanted) return 'made-up'
  return 'anyOf' in wanted ? (wanted.anyOf[0] ?? '') : [...wanted.all]
}

/** Writes a claim by its name or its JSON Pointer (RFC 6901); of two values, both are kept where lists allow it. */
export function withClaim(claims: Claims, reference: string, value: JsonValue): Claims {
  const [name = '', ...below] = reference.startsWith('/')
    ? reference
        .slice(1)
        .split('/')
        .map(each => each.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [reference]
  return { ...claims, [name]: placed(claims[name], below, value) }
}

function placed(before: JsonValue | undefined, [name, ...below]: readonly string[], value: JsonValue): JsonValue {
  if (name === undefined) {
    // Roles may be asked for as claims, too.
    return Array.isArray(before) ? [...new Set([...before, ...[value].flat()])] : value
  }
  const map = typeof before === 'object' && before !== null && !Array.isArray(before) ? (before as Claims) : {}
  return { ...map, [name]: placed(map[name], below, value) }
}
