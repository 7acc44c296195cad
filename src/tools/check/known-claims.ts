/** Says which claims every caller of a route has, as far as the configuration asks for them. */
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'

const KNOWN: ByProviderType<readonly string[]> = {
  jwt: ({ requiredClaims }) => ['iss', 'sub', 'aud', 'exp', ...requiredClaims],
  introspection: ({ requiredClaims }) => ['sub', 'aud', ...requiredClaims],
  session: () => ['iss', 'sub', 'aud', 'exp'],
  spiffe: ({ requiredClaims }) => ['sub', 'aud', 'exp', ...requiredClaims],
}

/** @returns names and JSON Pointers, as they are written */
export function knownClaims({ providers }: Config, route: RouteConfig): ReadonlySet<string> {
  const taken = Object.entries(providers).filter(([id]) => route.providers?.includes(id) ?? true)
  const [first = new Set<string>(), ...others] = taken.map(([, provider]) => new Set(byProviderType(KNOWN, provider)))
  return others
    .reduce((known, each) => known.intersection(each), first)
    .union(new Set(Object.keys(route.require?.claims ?? {})))
}
