/** Says in words how a provider is doing. One that has no use for keys is fine without them. */
import type { ProviderHealth } from '../../types.ts'

interface HealthResult {
  readonly outcome: 'ok' | 'failed'
  readonly detail: string
}

export function healthResult(health: ProviderHealth): HealthResult {
  const { usable, lastError } = health
  if (health.kind !== 'keys')
    return usable
      ? { outcome: 'ok', detail: 'can judge tokens' }
      : { outcome: 'failed', detail: lastError ?? 'cannot judge tokens' }
  const { keys, skipped } = health.keySet
  if (!usable || keys.length === 0) return { outcome: 'failed', detail: lastError ?? 'there is no usable key' }
  const names = keys.map(({ kid, algorithms }) => `${kid ?? '(no kid)'} ${algorithms.join('/')}`)
  const without = Object.entries(skipped).map(([reason, count]) => `${count} skipped: ${reason}`)
  return { outcome: 'ok', detail: [`keys ${names.join(', ')}`, ...without].join('; ') }
}
