/** The picture of the running gateway for `readyz` and `-/status`: names, ages and counts, no secret and no key material. */
import type { Policy } from '../policy.ts'
import type { KeySetStatus } from '../types.ts'

export interface Status {
  readonly ready: boolean
  /** Why not, one line each; empty when ready. */
  readonly reasons: readonly string[]
  readonly version: string
  readonly config_hash: string
  readonly routes: ReadonlyArray<{
    readonly id: string
    readonly path: string
    readonly methods: readonly string[] | 'all'
    readonly access: string
    readonly mode: string
    readonly upstream: string
  }>
  readonly providers: ReadonlyArray<{
    readonly id: string
    readonly issuer: string
    readonly usable: boolean
    readonly keys: KeySetStatus['keys']
    readonly skipped: KeySetStatus['skipped']
    readonly last_success: string | undefined
    readonly age_seconds: number | undefined
    readonly last_error: string | undefined
  }>
  /** Where several processes share the listener: each of them. All above is then from the one worst off. */
  readonly workers?: readonly WorkerStatus[]
}

export interface WorkerStatus {
  readonly pid: number
  readonly ready: boolean
  readonly config_hash: string
}

export interface StatusSource {
  readonly version: string
  readonly policy: Policy
  readonly isDraining: boolean
  readonly nowMs: number
}

export function statusOf({ version, policy, isDraining, nowMs }: StatusSource): Status {
  const providers = policy.providers.map(({ id, issuer, keySet }) => {
    const { usable, keys, skipped, lastSuccessSeconds, lastError } = keySet.status()
    return {
      id,
      issuer,
      usable,
      keys,
      skipped,
      last_success: lastSuccessSeconds === undefined ? undefined : new Date(lastSuccessSeconds * 1000).toISOString(),
      age_seconds: lastSuccessSeconds === undefined ? undefined : Math.round(nowMs / 1000 - lastSuccessSeconds),
      last_error: lastError,
    }
  })
  const withoutKeys = providers
    .filter(provider => !provider.usable)
    .map(({ id, last_error }) => `provider ${id}: no usable keys${last_error === undefined ? '' : `: ${last_error}`}`)
  const reasons = [...(isDraining ? ['draining'] : []), ...withoutKeys]
  return {
    ready: reasons.length === 0,
    reasons,
    version,
    config_hash: policy.hash,
    routes: policy.routes.map(({ id, path, methods, access, mode, upstream }) => ({
      id,
      path,
      methods: methods === undefined ? 'all' : [...methods],
      access,
      mode,
      upstream: upstream.id,
    })),
    providers,
  }
}
