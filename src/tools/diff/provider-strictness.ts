/**
 * Compares two versions of a provider: which of them accepts more tokens, before any route is asked.
 *
 * A new key needs a row here, and a new type of provider a table of its own.
 */
import type { KeysConfig, ProviderConfig } from '../../config/schema/schema.ts'
import {
  allOf,
  another,
  anyOf,
  anyOfOrAnything,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  noMatter,
  otherwise,
  type Pair,
  ranked,
} from './strictness.ts'

export function providerDifferences(before: ProviderConfig, after: ProviderConfig): readonly Difference[] {
  if (before.type !== after.type)
    return [
      { direction: 'changed', text: `type: ${before.type} → ${after.type}`, witness: `tokens of type ${after.type}` },
    ]
  return differencesOfType(after.type, { before, after })
}

type ProviderType = ProviderConfig['type']
type OfType<Type extends ProviderType> = Extract<ProviderConfig, { readonly type: Type }>

function differencesOfType<Type extends ProviderType>(type: Type, both: Pair<OfType<Type>>): readonly Difference[] {
  return differencesOf(PROVIDER[type], both.before, both.after, both)
}

/** Compares where keys come from: keys from another place verify other tokens, which is neither looser nor tighter. */
const KEYS: Comparisons<KeysConfig> = {
  jwksUri: another,
  jwksFile: another,
  jwks: another,
  secretFile: another,
  // A key that its issuer has withdrawn is believed until the set is fetched again, or becomes too old to be used.
  refresh: limitMs,
  maxStale: limitMs,
  // Each of these decides at which moments a key is at hand; without one its tokens are refused.
  cooldown: otherwise,
  timeout: otherwise,
  maxBytes: otherwise,
  bearerFile: otherwise,
  // Each of these decides whose answer is believed.
  caFile: another,
  cacheFile: another,
  hosts: (name, before = [], after = []) => anyOf(name, before, after),
  allowInsecureHttp: ranked({ true: 0, false: 1 }),
}

const PROVIDER: { readonly [Type in ProviderType]: Comparisons<OfType<Type>> } = {
  jwt: {
    type: noMatter('Providers of two types are told apart before their keys are compared.'),
    issuer: another,
    keys: (name, before, after, around) => differencesOf(KEYS, before, after, around, `${name}.`),
    scopeClaim: another,
    rolesClaim: another,
    audiences: anyOf,
    algorithms: anyOfOrAnything,
    requiredClaims: allOf,
    maxLifetime: limitMs,
    clockTolerance: limitMs,
    tokenType: ranked({ compatible: 0, 'at+jwt': 1 }),
  },
}
