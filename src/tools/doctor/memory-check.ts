/**
 * Compares how large V8 lets the heap grow with the memory that the control group allows, and looks at Node's flags.
 *
 * cgroups(7): version 2 has `memory.max`, version 1 `memory.limit_in_bytes`; the smallest on the way up counts. Within
 * a container the group often looks like the root of all, so that is looked at, too.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment } from '../../config/read/environment.ts'
import type { Check, Examined, Machine } from './examined.ts'
import { fail, finding, ok, type Verdict, warn } from './finding.ts'

const SIZING = 'k8s/README.md#sizing'
const MIB = 1024 * 1024
/** Below this, the gateway is ended under load: see the sizes in k8s/README.md. */
const LEAST_LIMIT = 128 * MIB
/** What is left of the limit is for buffers, code and threads. */
const MOST_SHARE = 0.75
const IMAGE_FLAGS = '`NODE_OPTIONS="--max-old-space-size-percentage=50 --max-semi-space-size=8"`'

export const memoryCheck: Check = async examined => [
  finding('memory', undefined, memoryVerdict(examined)),
  ...flagVerdicts(examined.env).map(verdict => finding('node', undefined, verdict)),
]

function memoryVerdict({ machine, config }: Examined): Verdict {
  const limit = memoryLimit(machine)
  const heap = machine.heapLimitBytes * config.workers
  const grows = `V8 lets the heap${config.workers > 1 ? `s of ${config.workers} workers` : ''} grow to ${mib(heap)}`
  if (limit === undefined) return ok(`${grows}; no control group limits the memory`)
  const seen = `${grows}, and the limit is ${mib(limit)}`
  if (heap >= limit)
    return fail(`${seen}: the kernel would end what V8 could still collect`, `start with ${IMAGE_FLAGS}`, SIZING)
  if (heap > limit * MOST_SHARE)
    return warn(`${seen}, which leaves little for buffers and threads`, `start with ${IMAGE_FLAGS}`, SIZING)
  if (limit < LEAST_LIMIT * config.workers)
    return warn(seen, `raise the limit to ${mib(LEAST_LIMIT * config.workers)} at least`, SIZING)
  return ok(seen)
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}

/** @returns undefined where nothing limits the memory, or where it is not known */
function memoryLimit({ groupsFile, groupsFolder }: Pick<Machine, 'groupsFile' | 'groupsFolder'>) {
  const found = groupsIn(textOf(groupsFile) ?? '').flatMap(({ folder, file, path }) =>
    upwards(path).flatMap(each => limitIn(textOf(join(groupsFolder, folder, each, file)))),
  )
  return found.length === 0 ? undefined : Math.min(...found)
}

interface Group {
  /** The folder of the hierarchy within that of all groups. */
  readonly folder: string
  readonly file: string
  readonly path: string
}

/** Reads lines like `4:memory:/pod/container` and `0::/pod/container`. */
function groupsIn(text: string): readonly Group[] {
  return text.split('\n').flatMap(line => {
    const [, number, controllers = '', path = ''] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? []
    if (number === '0' && controllers === '')
      return ['', 'unified'].map(folder => ({ folder, file: 'memory.max', path }))
    return controllers.split(',').includes('memory') ? [{ folder: 'memory', file: 'memory.limit_in_bytes', path }] : []
  })
}

function upwards(path: string): readonly string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '..')
  return Array.from({ length: parts.length + 1 }, (_, count) => `/${parts.slice(0, count).join('/')}`)
}

/** Version 2 says `max` where there is no limit, version 1 a number near 2^63. */
function limitIn(text: string | undefined): readonly number[] {
  const bytes = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : Number.POSITIVE_INFINITY
  return bytes < 2 ** 60 ? [bytes] : []
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

interface Flag {
  readonly isSet: (options: string, env: Environment) => boolean
  readonly verdict: Verdict
}

const FLAGS: readonly Flag[] = [
  {
    isSet: (_options, env) => env.NODE_TLS_REJECT_UNAUTHORIZED === '0',
    verdict: fail(
      'NODE_TLS_REJECT_UNAUTHORIZED=0: Node believes every certificate',
      'take the variable away, and name the authority by `caFile`',
      'config/README.md#providersjwtkeys',
    ),
  },
  {
    isSet: options => /--insecure-http-parser\b/.test(options),
    verdict: fail(
      'NODE_OPTIONS has --insecure-http-parser, so requests may be read in another way than the service reads them',
      'take the flag away',
      SIZING,
    ),
  },
  {
    isSet: options => /--inspect(?:-brk|-wait)?(?:[\s=]|$)/.test(options),
    verdict: fail(
      'NODE_OPTIONS has --inspect: whoever reaches the debugger has the keys and tokens of the process',
      'take the flag away',
      SIZING,
    ),
  },
  {
    isSet: options => /--tls-min-v1\.[01]\b/.test(options),
    verdict: warn(
      'NODE_OPTIONS allows versions of TLS that are broken',
      'take --tls-min-v1.0 and --tls-min-v1.1 away',
      SIZING,
    ),
  },
  {
    isSet: (_options, env) => /\b(?:https?|tls|net|http2)\b/.test(env.NODE_DEBUG ?? ''),
    verdict: warn(
      'NODE_DEBUG has Node write requests, with the tokens in them, to standard error',
      'take the variable away',
      SIZING,
    ),
  },
]

function flagVerdicts(env: Environment): readonly Verdict[] {
  const options = env.NODE_OPTIONS ?? ''
  const found = FLAGS.filter(({ isSet }) => isSet(options, env)).map(({ verdict }) => verdict)
  return found.length > 0 ? found : [ok('no flag of Node weakens the gateway')]
}
