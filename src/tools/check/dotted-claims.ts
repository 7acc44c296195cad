/**
 * Finds claims that are written with dots, as other products lead to a claim within another: `realm_access.roles`.
 *
 * A name is never split on dots here, so it means a claim that is called so, which hardly any token has. Names that are
 * URLs, and the domain names before a slash in a JSON Pointer, are no such slip.
 */
import type { Path } from '../../config/check/findings.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'

interface DottedClaim {
  readonly code: 'claim-dotted'
  readonly path: Path
  readonly message: string
}

export function dottedClaims({ providers, identity, routes, rateLimits }: Config): readonly DottedClaim[] {
  return [
    ...Object.entries(providers).flatMap(([id, provider]) => byProviderType(OF_PROVIDERS, provider, ['providers', id])),
    ...Object.entries(identity.headers ?? {}).flatMap(([name, { claim }]) =>
      dotted(['identity', 'headers', name], claim),
    ),
    ...Object.entries(rateLimits).flatMap(([id, { rate }]) =>
      'claim' in rate ? dotted(['rateLimits', id, 'rate', 'claim'], rate.claim) : [],
    ),
    ...routes.flatMap(({ require }, index) =>
      Object.keys(require?.claims ?? {}).flatMap(claim => dotted(['routes', index, 'require', 'claims', claim], claim)),
    ),
  ]
}

const OF_PROVIDERS: ByProviderType<readonly DottedClaim[], [path: Path]> = {
  jwt: dottedIn,
  introspection: dottedIn,
  spiffe: dottedIn,
  session: () => [],
}

function dottedIn(
  {
    scopeClaim,
    rolesClaim,
    requiredClaims,
  }: Pick<ProviderConfigs['jwt' | 'introspection' | 'spiffe'], 'scopeClaim' | 'rolesClaim' | 'requiredClaims'>,
  path: Path,
): readonly DottedClaim[] {
  return [
    ...dotted([...path, 'scopeClaim'], scopeClaim),
    ...dotted([...path, 'rolesClaim'], rolesClaim),
    ...requiredClaims.flatMap((claim, index) => dotted([...path, 'requiredClaims', index], claim)),
  ]
}

function dotted(path: Path, claim: string | undefined): readonly DottedClaim[] {
  if (claim === undefined || !/^[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+$/.test(claim)) return []
  const pointer = `/${claim.replaceAll('.', '/')}`
  const message = `means a claim whose name has a dot in it; a claim within another is written \`${pointer}\``
  return [{ code: 'claim-dotted', path, message }]
}
