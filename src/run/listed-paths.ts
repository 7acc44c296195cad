/** Names the paths of the admin listener that a configuration adds, for its list of what there is. */
import { APP_PROBE_PREFIX } from '../admin/app-probes.ts'
import type { Listed } from '../admin/listing.ts'
import { PUBLISHED_KEYS_PATH } from '../admin/published-keys.ts'
import { REVOCATIONS_PATH } from '../admin/revocations.ts'
import type { Config } from '../config/schema/schema.ts'

type Listing = Pick<Config, 'admin' | 'revocation' | 'identity'>

export function listedPaths({ admin, revocation, identity }: Listing): readonly Listed[] {
  const probes = (admin?.appProbes ?? []).map(
    ({ path }): Listed => [APP_PROBE_PREFIX + path, 'the health of the service'],
  )
  const keys: readonly Listed[] =
    identity.token === undefined ? [] : [[PUBLISHED_KEYS_PATH, 'the keys of internal tokens, as a JWK Set']]
  return revocation?.api === undefined
    ? [...probes, ...keys]
    : [...probes, ...keys, [REVOCATIONS_PATH, 'what is revoked, and POST and DELETE to change it; asks for a secret']]
}
