/**
 * Has a rule for each finding of the table. The compiler complains of a row without a rule.
 */
import { configurationRules } from './configuration.ts'
import { containerRules } from './container-rules.ts'
import type { FindingId } from './finding-table.ts'
import { inputRules } from './input-rules.ts'
import { isolationRules } from './isolation.ts'
import { fileRules } from './named-files.ts'
import { probeRules } from './probes.ts'
import type { Rule } from './rule.ts'
import { scalingRules } from './scaling.ts'
import { stoppingRules } from './stopping.ts'
import { waysInRules } from './ways-in.ts'

export const RULES: Readonly<Record<FindingId, Rule>> = {
  ...waysInRules,
  ...isolationRules,
  ...probeRules,
  ...stoppingRules,
  ...configurationRules,
  ...fileRules,
  ...containerRules,
  ...scalingRules,
  ...inputRules,
}
