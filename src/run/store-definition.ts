/** Makes of the section `store` what the room of the store needs of it. */
import type { StoreConfig } from '../config/schema/schema.ts'
import type { StoreDefinition } from '../store/store.ts'

export function storeDefinition(block: StoreConfig): StoreDefinition {
  const { url, topology, nodes = [], username, passwordFile, tls, prefix, timeout } = block
  return {
    topology,
    url: { host: url.host, port: url.port },
    nodes,
    isTls: url.isTls,
    database: url.database,
    username,
    passwordFile,
    tls,
    prefix,
    timeoutMs: timeout,
  }
}
