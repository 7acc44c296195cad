/** What the checks of `sallyport doctor` are given: a configuration, and the machine that they run on. */
import type { Environment } from '../../config/read/environment.ts'
import type { Address, Config } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Services } from '../../run/services.ts'
import type { HostPort } from '../snippet/site.ts'
import type { Finding } from './finding.ts'

/** Where facts about this machine are read. */
export interface Machine {
  /** `/proc/self/mountinfo`, see proc_pid_mountinfo(5). */
  readonly mountsFile: string
  /** `/proc/self/cgroup`, see cgroups(7). */
  readonly groupsFile: string
  /** Where the control groups are mounted: `/sys/fs/cgroup`. */
  readonly groupsFolder: string
  /** How many bytes V8 lets the heap of this process grow to. */
  readonly heapLimitBytes: number
  /** How many descriptors each process may have; undefined where that is not known. */
  readonly descriptors: number | undefined
  /** Addresses at which others reach this machine. */
  readonly addresses: readonly string[]
}

export interface Examined {
  readonly file: string
  readonly env: Environment
  readonly config: Config
  /** False where a file that it names is not good, so that none but its own text can be relied on. */
  readonly isWhole: boolean
  /** The absolute paths of the files that were read for it, its own among them. */
  readonly files: readonly string[]
  readonly services: Services
  readonly machine: Machine
  readonly clock: Clock
  /** Longest time that one step over the network may take. */
  readonly stepMs: number
  /** Where the gateway's admin listener is; undefined where there is none. */
  readonly admin: Address | undefined
  /** The URL of a gateway that runs, to send a request through. */
  readonly through: URL | undefined
  /** Where a proxy that runs there forwards to, while it is looked at; undefined for a gateway. */
  readonly serviceListen: HostPort | undefined
}

/** Never throws for what it looks at, and never waits for longer than its steps may take. */
export type Check = (examined: Examined) => Promise<readonly Finding[]>
