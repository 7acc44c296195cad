/**
 * Runs once before all tests: sees to the programs that tests start and that are no dependencies. Where they cannot be
 * had, the run fails under CI; elsewhere the tests that need them are skipped, and the run ends with what to type.
 */
import { ensureBrowserPrograms } from './browser-programs.ts'
import { ensureCaddy } from './caddy-program.ts'
import { ensureHttpClients } from './http-clients.ts'
import { ensureNpmPackages } from './npm-packages.ts'
import { ensurePrometheus } from './prometheus-programs.ts'
import { ensurePyJwt } from './python-jwt.ts'
import { ensureShells } from './shell-programs.ts'
import { ensureStorePrograms } from './store-programs.ts'
import { ensureTerminatorPrograms } from './terminator-programs.ts'
import { ensureTraceProtobuf } from './trace-protobuf.ts'

interface ProgramGroup {
  readonly programs: string
  /** Tests that need the programs are skipped when this variable of the environment is `1`. */
  readonly without: string
  /** Rejects with the command to type when one of them cannot be had. */
  ensure(): Promise<void>
}

const GROUPS: readonly ProgramGroup[] = [
  { programs: 'redis-server and valkey-server', without: 'WITHOUT_STORES', ensure: ensureStorePrograms },
  { programs: 'curl and h2load', without: 'WITHOUT_HTTP_CLIENTS', ensure: ensureHttpClients },
  { programs: 'nginx, HAProxy and Envoy', without: 'WITHOUT_TERMINATORS', ensure: ensureTerminatorPrograms },
  { programs: 'Caddy', without: 'WITHOUT_CADDY', ensure: ensureCaddy },
  { programs: 'the protobuf schema of OpenTelemetry', without: 'WITHOUT_PROTOBUF', ensure: ensureTraceProtobuf },
  { programs: 'PyJWT', without: 'WITHOUT_PYJWT', ensure: ensurePyJwt },
  { programs: 'Chromium', without: 'WITHOUT_BROWSER', ensure: ensureBrowserPrograms },
  {
    programs: 'Node 24, Node 12 and the schema of CycloneDX',
    without: 'WITHOUT_NPM_PACKAGES',
    ensure: ensureNpmPackages,
  },
  { programs: 'zsh and fish', without: 'WITHOUT_SHELLS', ensure: ensureShells },
  { programs: 'Prometheus', without: 'WITHOUT_PROMETHEUS', ensure: ensurePrometheus },
]

/** Vitest calls it before the tests, and what it returns after them. */
export async function setup(): Promise<() => void> {
  const missing: string[] = []
  for (const { programs, without, ensure } of GROUPS) {
    try {
      await ensure()
    } catch (error) {
      if (process.env.CI !== undefined && process.env.CI !== 'false') throw error
      process.env[without] = '1'
      missing.push(`NOT RUN: every test that needs ${programs}.\n${(error as Error).message}`)
    }
  }
  return () => {
    for (const notice of missing) console.error(`\n${notice}\n`)
  }
}
