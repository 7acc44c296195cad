/** Checks the option `--provider ID` against a configuration. */
import type { Config } from '../config/schema/schema.ts'
import { UsageError } from './command.ts'

/** Returns the id as it was given. @throws {UsageError} the configuration has no such provider */
export function checkedProvider({ providers }: Config, id: string | undefined): string | undefined {
  if (id === undefined || Object.hasOwn(providers, id)) return id
  const known = Object.keys(providers)
  throw new UsageError(
    known.length === 0
      ? 'the configuration has no providers'
      : `there is no provider "${id}"; there are ${known.join(', ')}`,
  )
}
