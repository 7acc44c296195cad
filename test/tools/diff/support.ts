/** Compiles two configurations and compares them, for the tests of the comparison. */
import type { Config } from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { standIn } from '../../../src/tools/engine/stand-in.ts'
import { silentServices } from '../support.ts'

export function compared(config: Config): Parameters<typeof policyDiff>[0] {
  return { config, policy: standIn(config, silentServices()).policy }
}

/** Lists each change as `kind subject: details`. */
export function changes(old: Config, next: Config): readonly string[] {
  return policyDiff(compared(old), compared(next)).map(
    ({ kind, subject, details }) => `${kind} ${subject}: ${details.join('; ')}`,
  )
}
