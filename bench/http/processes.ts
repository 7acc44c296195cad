/**
 * Runs child processes, each on a core of its own, and ends them with the benchmark: whether it is
 * done, failed or interrupted.
 *
 * Only processes that were started here are ever ended, by their pid.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Says where a process runs: the measured one has a core for itself, and everything else shares the other. What runs
 * anywhere has all of them, beside the others.
 */
export type Place = 'gateway' | 'load' | 'anywhere'

/** With one core nothing can be kept apart. */
export const CORES: Readonly<Record<Place, string>> | undefined =
  availableParallelism() < 2 ? undefined : { gateway: '0', load: '1', anywhere: `0-${availableParallelism() - 1}` }

export interface Child {
  readonly pid: number
  /** Settles when the process is gone. */
  stop(): Promise<void>
}

export interface StartedChild extends Child {
  /** Rejects when the process ends although nobody asked it to. */
  readonly failed: Promise<never>
  /** Stops and continues it, without its knowing. */
  pause(): void
  continue(): void
}

export interface SpawnOptions {
  readonly place: Place
  readonly env?: Readonly<Record<string, string>>
  /** The file that takes the standard output; without one it is dropped. */
  readonly stdoutFile?: string
}

const STOP_GRACE_MS = 5_000
const running = new Set<ChildProcess>()

/** Starts a process. Its standard error is kept, and shown when it ends although nobody asked it to. */
export function start(command: string, args: readonly string[], options: SpawnOptions): StartedChild {
  const { place, env = {}, stdoutFile } = options
  const [program, ...rest] =
    CORES === undefined ? [command, ...args] : ['taskset', '-c', CORES[place], command, ...args]
  const stdout = stdoutFile === undefined ? 'ignore' : openSync(stdoutFile, 'w')
  const child = spawn(program ?? command, rest, { env: { ...process.env, ...env }, stdio: ['ignore', stdout, 'pipe'] })
  if (typeof stdout === 'number') closeSync(stdout)
  running.add(child)
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', text => {
    complaint = (complaint + text).slice(-4_000)
  })
  let isWanted = true
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      running.delete(child)
      if (isWanted) reject(new Error(`${command} ended (${signal ?? code}): ${complaint.trim()}`))
    })
  })
  failed.catch(() => {})
  return {
    pid: child.pid ?? 0,
    failed,
    pause: () => void child.kill('SIGSTOP'),
    continue: () => void child.kill('SIGCONT'),
    async stop() {
      isWanted = false
      await end(child)
    },
  }
}

/** Runs a command to its end and gives what it printed. */
export async function run(command: string, args: readonly string[], options: SpawnOptions): Promise<string> {
  const { place, env = {} } = options
  const [program, ...rest] =
    CORES === undefined ? [command, ...args] : ['taskset', '-c', CORES[place], command, ...args]
  const child = spawn(program ?? command, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (output.stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  running.delete(child)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed (${code}): ${output.stderr || output.stdout}`)
  return output.stdout
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(end))
}

/** Ends what was started, then us, at Ctrl-C; a crash does the same. */
export function stopAllOnExit(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopAll().finally(() => process.exit(130))
    })
  }
  process.once('exit', () => {
    for (const child of running) child.kill('SIGKILL')
  })
}

/** @returns a port that was free a moment ago */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timeout = new AbortController()
  const killed = sleep(STOP_GRACE_MS, undefined, { signal: timeout.signal }).then(
    () => child.kill('SIGKILL'),
    () => {},
  )
  await gone
  timeout.abort()
  await killed
}
