/** Says what a command is, and what it gets from the process. Only `main.ts` touches the process itself. */
import type { Paint } from '../lib/paint.ts'

export interface CommandIo {
  readonly env: NodeJS.ProcessEnv
  /** These are the versions of Sallyport and of Node. */
  readonly version: string
  readonly nodeVersion: string
  /** What Node was started with: its own arguments, and `NODE_OPTIONS`. */
  readonly nodeFlags: string
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Whether standard output is a terminal, so that people read it. */
  readonly isTerminal: boolean
  /** How many columns the terminal has now; 80 where there is none. */
  readonly columns: () => number
  /** Calls back for each key that is pressed at the terminal, without Enter. Undefined where nobody sits at one. */
  readonly onKey: ((task: (key: string) => void) => void) | undefined
  /** Colours what goes to standard output, where its reader wants colours. */
  readonly paint: Paint
  /**
   * A worker finds here, as JSON, the settings that its primary was started with; in any other process it is undefined.
   * A worker is led by its primary: no signal asks it to end, and it ignores a hang-up.
   */
  readonly workerOf: string | undefined
  /** Resolves when the process is asked to end (SIGTERM, SIGINT). When it is asked again, it ends at once. */
  readonly stopped: Promise<void>
  /** Runs a task whenever a terminal or an operator hangs up (SIGHUP). Without a task, that ends the process. */
  readonly onHangup: (task: () => void) => void
  /** Runs a task in the last moment of the process, when nothing can be waited for. */
  readonly atExit: (task: () => void) => void
}

/** The code is 0 when all is fine, 1 when something failed at run time, and 2 for bad configuration or usage. */
export type ExitCode = 0 | 1 | 2

export interface Command {
  /** `--help` shows this text: usage, options and examples. */
  readonly help: string
  run(args: readonly string[], io: CommandIo): Promise<ExitCode>
}

/** A command throws this when the command line is wrong; the message names the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A command throws this when it cannot do its work here; it has a `code`, as failures of the system have. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
  readonly code = 'ERR_SALLYPORT'
}
