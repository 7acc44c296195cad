/** Holds what the tests of `sallyport doctor` share: a machine without peculiarities, and a call that finds by name. */
import { stringify } from 'yaml'
import type { Address } from '../../../src/config/schema/schema.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { doctor } from '../../../src/tools/doctor/doctor.ts'
import type { Machine } from '../../../src/tools/doctor/examined.ts'
import type { Finding } from '../../../src/tools/doctor/finding.ts'
import { closeToolServices, toolServices } from '../../../src/tools/engine/tool-policy.ts'

export const PLAIN_MACHINE: Machine = {
  mountsFile: '/proc/self/mountinfo',
  groupsFile: '/nowhere/cgroup',
  groupsFolder: '/nowhere',
  heapLimitBytes: 64 * 1024 * 1024,
  descriptors: 1_000_000,
  addresses: [],
}

interface Examination {
  readonly config: Readonly<Record<string, unknown>> | string
  readonly env?: Readonly<Record<string, string>>
  readonly network?: 'offline' | 'online'
  readonly machine?: Partial<Machine>
  readonly clock?: Clock
  readonly stepMs?: number | undefined
  readonly admin?: Address
  readonly through?: string
  readonly serviceListen?: { readonly host: string; readonly port: number }
}

export interface Findings {
  readonly all: readonly Finding[]
  /** Every finding of a check, as `outcome: what was seen`. */
  of(check: string, subject?: string): readonly string[]
}

/** @param files writes the configuration, and has the files that it names */
export function examiner(files: { readonly path: string; write(name: string, text: string): string }) {
  let count = 0
  return async (examination: Examination): Promise<Findings> => {
    const { config, env = {}, network = 'offline', machine = {}, through } = examination
    count += 1
    const file = files.write(
      `sallyport-${count}.yaml`,
      typeof config === 'string' ? config : stringify({ ...PLAIN, ...config }),
    )
    const services = toolServices({ clock: systemClock, version: '0', nodeVersion: '0' })
    const all = await doctor(
      {
        file,
        env,
        network,
        machine: { ...PLAIN_MACHINE, ...machine },
        clock: examination.clock ?? systemClock,
        stepMs: examination.stepMs ?? 10_000,
        admin: examination.admin,
        through: through === undefined ? undefined : new URL(through),
        serviceListen: examination.serviceListen,
      },
      services,
    )
    await closeToolServices(services)
    return {
      all,
      of: (check, subject) =>
        all
          .filter(each => each.check === check && (subject === undefined || each.subject === subject))
          .map(({ outcome, seen }) => `${outcome}: ${seen}`),
    }
  }
}

/** Nothing listens on port 1. */
const PLAIN = {
  listen: '127.0.0.1:0',
  upstreams: { app: 'http://127.0.0.1:1' },
  routes: [{ id: 'all', path: '/**', access: 'public' }],
}
