/** Where a test's store is, as a configuration would say it. */
import type { StoreDefinition } from '../../../src/store/store.ts'

export function definitionOf(
  { port }: { readonly port: number },
  more: Partial<StoreDefinition> = {},
): StoreDefinition {
  return {
    topology: 'single',
    url: { host: '127.0.0.1', port },
    nodes: [],
    isTls: false,
    database: 0,
    username: undefined,
    passwordFile: undefined,
    tls: undefined,
    prefix: 'sallyport',
    // Longer than a busy machine keeps an answer waiting.
    timeoutMs: 10_000,
    ...more,
  }
}
