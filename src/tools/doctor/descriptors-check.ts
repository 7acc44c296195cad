/** Compares the limits of the configuration with the file descriptors that the process may have. */
import { fitted } from '../../run/descriptors.ts'
import type { Check } from './examined.ts'
import { finding, ok, skipped, type Verdict, warn } from './finding.ts'

export const descriptorsCheck: Check = async ({ config, machine: { descriptors } }) => [
  finding('descriptors', undefined, verdictOn(config, descriptors)),
]

function verdictOn(config: Parameters<typeof fitted>[0], descriptors: number | undefined): Verdict {
  if (descriptors === undefined) return skipped('this system does not say how many descriptors a process may have')
  const { limits } = fitted(config, descriptors)
  const { connections, requests } = config.limits
  if (limits.connections === connections && limits.requests === requests)
    return ok(`${descriptors} descriptors are enough for \`limits\``)
  return warn(
    `${descriptors} descriptors are too few: ${limits.connections} of ${connections} connections and ${limits.requests} of ${requests} requests are taken`,
    'raise the limit of open files (RLIMIT_NOFILE), or lower `limits.connections` and `connections` of the upstreams',
    'config/README.md#limits',
  )
}
