/** Finds the signing key of an algorithm; there is one for each. */
import type { Bench } from '../scenario.ts'
import type { Algorithm, SigningKey } from '../tokens.ts'

export function keyOf({ site }: Bench, algorithm: Algorithm): SigningKey {
  const key = site.keys.get(algorithm)
  if (key === undefined) throw new Error(`no key for ${algorithm}`)
  return key
}
