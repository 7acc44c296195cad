/** Where a test's store is and what seals its sessions, also for processes that no test runner has started. */
import type { StoreDefinition } from '../../src/store/store.ts'

export const SECRET = Buffer.alloc(32, 's')

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
    timeoutMs: 10_000,
    ...more,
  }
}
