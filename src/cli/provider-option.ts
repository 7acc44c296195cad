/** Checks the option `--provider ID` against a configuration. */
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { meantOrAll } from './arguments.ts'
import { UsageError } from './command.ts'

/** Returns the ids of those that tokens are brought to, and that no browsers log in at. */
export function tokenProviders({ providers }: Pick<Config, 'providers'>): readonly string[] {
  return Object.entries(providers).flatMap(([id, provider]) =>
    providerTraits(provider).logsIn === undefined ? [id] : [],
  )
}

/** Returns the id as it was given. @throws {UsageError} the configuration has no such provider of tokens */
export function checkedProvider(config: Config, id: string | undefined): string | undefined {
  const { providers } = config
  const known = tokenProviders(config)
  if (id === undefined || known.includes(id)) return id
  const login = providers[id] && providerTraits(providers[id]).logsIn
  if (login !== undefined) {
    const judge =
      login.principal === undefined ? '' : `; name ${login.principal}, which judges what their sessions bring`
    throw new UsageError(`${id} takes no tokens: browsers log in there${judge}`)
  }
  throw unknownProvider(id, known)
}

/** @param known the ids that could be named */
export function unknownProvider(id: string, known: readonly string[]): UsageError {
  return new UsageError(
    known.length === 0 ? 'the configuration has no providers' : `there is no provider "${id}"${meantOrAll(id, known)}`,
  )
}
