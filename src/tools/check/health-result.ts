/** Says in words how a provider is doing: which keys it has, or whom it asks. */
import type { IntrospectionStatus, ProviderHealth } from '../../types.ts'

export interface HealthResult {
  readonly outcome: 'ok' | 'failed'
  readonly detail: string
}

export function healthResult(health: ProviderHealth): HealthResult {
  const { usable, lastError } = health
  if (health.kind === 'introspection') return askingResult(health.introspection)
  if (health.kind === 'keyless')
    return usable
      ? { outcome: 'ok', detail: 'can judge tokens' }
      : { outcome: 'failed', detail: lastError ?? 'cannot judge tokens' }
  const { keys, skipped } = health.keySet
  if (!usable || keys.length === 0) return { outcome: 'failed', detail: lastError ?? 'there is no usable key' }
  const names = keys.map(({ kid, algorithms }) => `${kid ?? '(no kid)'} ${algorithms.join('/')}`)
  const without = Object.entries(skipped).map(([reason, count]) => `${count} skipped: ${reason}`)
  return { outcome: 'ok', detail: [`keys ${names.join(', ')}`, ...without].join('; ') }
}

function askingResult({ endpoint, breaker, lastError }: IntrospectionStatus): HealthResult {
  if (endpoint === undefined) return { outcome: 'failed', detail: lastError ?? 'it is not known where to ask' }
  if (breaker === 'closed') return { outcome: 'ok', detail: `asks at ${endpoint}` }
  const why = lastError === undefined ? '' : `: ${lastError}`
  return { outcome: 'failed', detail: `${endpoint} is not asked for now (the breaker is ${breaker})${why}` }
}
