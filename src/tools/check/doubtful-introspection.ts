/** Finds where the answer of a server about a token counts for so long that the token outlives its revocation there. */
import type { Path } from '../../config/check/findings.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'

interface DoubtfulIntrospection {
  readonly code: 'introspection-ttl' | 'introspection-stale'
  readonly path: Path
  readonly message: string
}

const LONG_MS = 5 * 60 * 1000

export function longAnswers({ providers }: Config): readonly DoubtfulIntrospection[] {
  return Object.entries(providers).flatMap(([id, provider]) => byProviderType(LONG_ANSWERS, provider, id))
}

const LONG_ANSWERS: ByProviderType<readonly DoubtfulIntrospection[], [id: string]> = {
  jwt: () => [],
  session: () => [],
  spiffe: () => [],
  introspection: ({ cache: { ttl, maxStale } }, id) => {
    const at = (key: string): Path => ['providers', id, 'cache', key]
    const [often, away] = [
      'lets a token that is revoked at the server work for so long all the same; asking more often costs little, since `refreshAhead` keeps callers from waiting',
      'lets every token that was active work for so long while the server is away, revoked ones, too; whoever can keep it away gains that time',
    ]
    return [
      ...(ttl > LONG_MS ? [{ code: 'introspection-ttl' as const, path: at('ttl'), message: often }] : []),
      ...(maxStale > LONG_MS ? [{ code: 'introspection-stale' as const, path: at('maxStale'), message: away }] : []),
    ]
  },
}
