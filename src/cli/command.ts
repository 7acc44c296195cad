/** What a command gets from the process and gives back to it. Only `main.ts` makes one. */
import type { Paint } from '../tools/text/paint.ts'

export interface CommandIo {
  readonly env: NodeJS.ProcessEnv
  /** Sallyport's, and Node's. */
  readonly version: string
  readonly nodeVersion: string
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Colours of standard output, where its reader wants any. */
  readonly paint: Paint
  /**
   * For a worker, the settings that its primary was started with, as JSON; undefined in any other process. A worker is
   * led by its primary: no signal asks it to end, and a hang-up is to be ignored.
   */
  readonly workerOf: string | undefined
  /** Resolves when the process is asked to end (SIGTERM, SIGINT). Asked again, it ends without the command's doing. */
  readonly stopped: Promise<void>
  /** Runs a task whenever a terminal or an operator hangs up (SIGHUP), which without one ends the process. */
  readonly onHangup: (task: () => void) => void
  /** Runs a task that must not wait, in the process's last moment. */
  readonly atExit: (task: () => void) => void
}

/** 0 fine; 1 failed at run time; 2 bad configuration or usage. */
export type ExitCode = 0 | 1 | 2

export interface Command {
  /** Shown by `--help`: usage, options, examples. */
  readonly help: string
  run(args: readonly string[], io: CommandIo): Promise<ExitCode>
}

/** The command line is wrong; the message names the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command cannot do its work here; the message says what to do. Carries a `code`, as failures of the system do. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
  readonly code = 'ERR_SALLYPORT'
}
