/** Makes the running parts that a policy is compiled with, so that a new part is added to the tests in one place. */
import type { DecrypterOf } from '../../src/authenticate/decryption.ts'
import { decryptionGate } from '../../src/authenticate/encrypted/gate.ts'
import { tokenDecrypter } from '../../src/authenticate/encrypted/token-decrypter.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import type { compilePolicy } from '../../src/config/compile.ts'
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts'
import { testPool } from './gateway/upstream-pool.ts'
import { manualTime } from './manual-time.ts'

export type PolicyParts = Parameters<typeof compilePolicy>[2]

export const testDecrypterOf: DecrypterOf = decryptions =>
  tokenDecrypter({ decryptions, gate: decryptionGate({ atOnce: 4, waiting: 256 }), onResult() {} })

/** Nobody's tokens are verified, and the upstream `app` does not answer, unless `overrides` say otherwise. */
export function policyParts(overrides: Partial<PolicyParts> = {}): PolicyParts {
  return {
    verifiers: new Map(),
    upstreams: new Map([['app', testPool('http://127.0.0.1:1', {}, manualTime())]]),
    limits: new Map(),
    clock: manualTime(),
    tokenCache: tokenCache({ entries: 10, onResult() {} }),
    decrypterOf: testDecrypterOf,
    layers: () => [],
    isRevoked: undefined,
    checkClientCertificate: undefined,
    endpoints: [],
    sessions: new Map(),
    spans: undefined,
    routeMetrics: createMetrics({ version: '1', node: '26', cacheResults: [], fetchResults: [] }).forRoute,
    mode: undefined,
    ...overrides,
  }
}
