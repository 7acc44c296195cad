/**
 * Finds where a DPoP proof protects less than it seems to: where what was used is not known everywhere, and where
 * token and proof can be read on their way.
 *
 * How many replicas there are is not in the configuration. So one process without a shared memory is doubtful unless
 * the file says that this is meant.
 */
import type { Path } from '../../config/check/findings.ts'
import type { Config } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'

interface DoubtfulProofs {
  readonly code: 'replay-per-process' | 'proof-url-in-clear'
  readonly path: Path
  readonly message: string
}

export function replayPerProcess({ dpop, workers }: Config): readonly DoubtfulProofs[] {
  const path = ['dpop', 'replay', 'store']
  const each = 'a proof can be used once in each process and replica, by whoever has copied it; '
  if (dpop === undefined || dpop.replay.store === true) return []
  if (workers > 1)
    return [{ code: 'replay-per-process', path, message: `${each}set it to \`true\`, or \`workers\` to 1` }]
  if (dpop.replay.store === false) return []
  const message = `${each}set it to \`true\`, or write \`store: false\` if a single process serves all`
  return [{ code: 'replay-per-process', path, message }]
}

export function proofUrlsInClear({ dpop }: Config): readonly DoubtfulProofs[] {
  return (dpop?.baseUrls ?? []).flatMap((text, index) => {
    const url = new URL(text)
    if (url.protocol === 'https:' || isLoopback(url)) return []
    const message =
      'brings token and proof unencrypted, and whoever reads along may be the first to use them; let clients come by `https:`'
    return [{ code: 'proof-url-in-clear' as const, path: ['dpop', 'baseUrls', index], message }]
  })
}
