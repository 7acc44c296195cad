/**
 * Asks a table that has one entry for each type of provider, so that a new type does not compile before it has its own.
 *
 * Whoever compares `type` with a word in place of that says nothing about the next type, and the compiler is content.
 */
import type { ProviderConfig } from './schema.ts'

export type ProviderType = ProviderConfig['type']

/** The configuration of each type. */
export type ProviderConfigs = { readonly [C in ProviderConfig as C['type']]: C }

/** What is done with a provider of each type, and with what is given besides. */
export type ByProviderType<Result, Further extends readonly unknown[] = []> = {
  readonly [T in ProviderType]: (config: ProviderConfigs[T], ...further: Further) => Result
}

export function byProviderType<Result, Further extends readonly unknown[]>(
  table: ByProviderType<Result, Further>,
  config: ProviderConfig,
  ...further: Further
): Result {
  return ofType(table, config.type, config, further)
}

function ofType<T extends ProviderType, Result, Further extends readonly unknown[]>(
  table: ByProviderType<Result, Further>,
  type: T,
  config: ProviderConfigs[T],
  further: Further,
): Result {
  return table[type](config, ...further)
}
