/** Names a configuration by what it says: two of the same hash are the same, wherever and whenever they were loaded. */
import { createHash } from 'node:crypto'
import type { Config } from './schema/schema.ts'

export function configHash(config: Config): string {
  return createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 12)
}
