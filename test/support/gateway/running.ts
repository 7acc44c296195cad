/**
 * Runs `sallyport` as a user does, as a process of its own, and waits for what it prints rather than for time.
 *
 * What runs is the bundle that the test run has made of the source, since it starts four times as fast. The source
 * itself runs where a test looks into it, in another folder or with options of Node that show what is loaded.
 *
 * `SALLYPORT_NODE=/path/to/node vitest run test/cli test/run` tries the bundle under another Node.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export interface RunningSallyport {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves with the output once it matches. Rejects when the process exits first. */
  printed(pattern: RegExp): Promise<string>
  /** The exit code; null when a signal ended it. Output is complete by then. */
  readonly exited: Promise<number | null>
}

export interface RunOptions {
  /** Folder to run in. Default: the project's. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Folder of the source that runs. Default: the bundle of the project's. */
  readonly root?: string
  /** The bundle that runs. Default: the one that the test run has made. */
  readonly bundle?: string
  /** Arguments of Node itself, which then runs the source. */
  readonly nodeArgs?: readonly string[]
  /** How many file descriptors the process may have. Default: as many as this one. */
  readonly descriptors?: number | undefined
}

export function sallyport(
  args: readonly string[],
  { env = {}, nodeArgs = [], root, cwd = root ?? ROOT, descriptors, ...options }: RunOptions = {},
): RunningSallyport {
  const hasNodeOptions = nodeArgs.length > 0 || env.NODE_OPTIONS !== undefined
  const needsSource = root !== undefined || hasNodeOptions
  const bundle = needsSource ? undefined : (options.bundle ?? process.env.SALLYPORT_BUNDLE)
  const program = bundle ?? join(root ?? ROOT, 'src/main.ts')
  // The source asks for the Node of the checkout; the bundle also runs under others.
  const node = bundle === undefined ? process.execPath : (process.env.SALLYPORT_NODE ?? process.execPath)
  const command = [node, ...nodeArgs, program, ...args]
  // Node raises its own soft limit to the hard one, so both are set.
  const limited = descriptors === undefined ? [] : ['sh', '-c', `ulimit -n ${descriptors} && exec "$0" "$@"`]
  const [executable = '', ...executableArgs] = [...limited, ...command]
  const child = spawn(executable, executableArgs, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A test that is cut short leaves nothing running.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('close', () => process.off('exit', kill))
  const exited = once(child, 'close').then(([code]) => code as number | null)

  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async printed(pattern) {
      const ended = exited.then(code => {
        throw new Error(`exited with ${code} before it printed ${pattern}:\n${stdout}\n${stderr}`)
      })
      while (!pattern.test(stdout)) await Promise.race([once(child.stdout, 'data'), ended])
      return stdout
    },
  }
}
