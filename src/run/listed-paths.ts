/** Names the paths of the admin listener that a configuration adds, for its list of what there is. */
import { APP_PROBE_PREFIX } from '../admin/app-probes.ts'
import type { Listed } from '../admin/listing.ts'
import { REVOCATIONS_PATH } from '../admin/revocations.ts'
import type { Config } from '../config/schema/schema.ts'

export function listedPaths({ admin, revocation }: Pick<Config, 'admin' | 'revocation'>): readonly Listed[] {
  const probes = (admin?.appProbes ?? []).map(
    ({ path }): Listed => [APP_PROBE_PREFIX + path, 'the health of the service'],
  )
  return revocation?.api === undefined
    ? probes
    : [...probes, [REVOCATIONS_PATH, 'what is revoked, and POST and DELETE to change it; asks for a secret']]
}
