/** What a command gets from the process and gives back to it. Only `main.ts` makes one. */

export interface CommandIo {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Resolves when the process is asked to end (SIGTERM, SIGINT). */
  readonly stopped: Promise<void>
}

/** 0 fine; 1 failed at run time; 2 bad configuration or usage. */
export type ExitCode = 0 | 1 | 2

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** Shown by `--help`: usage, options, examples. */
  readonly help: string
  run(args: readonly string[], io: CommandIo): Promise<ExitCode>
}

/** The command line is wrong; the message names the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
