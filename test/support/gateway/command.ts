/** Runs a command in this process and collects what it prints: a process of its own would cost half a second. */
import { type Command, type CommandIo, UsageError } from '../../../src/cli/command.ts'
import { ConfigError } from '../../../src/errors.ts'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stopped?: Promise<void>
  readonly onOutput?: (soFar: string) => void
}

/** Usage and configuration errors end as in `main.ts`; anything else is thrown. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  { env = {}, stopped = new Promise(() => {}), onOutput }: CommandOptions = {},
): Promise<CommandResult> {
  let stdout = ''
  let stderr = ''
  const io: CommandIo = {
    env,
    version: '0.0.0-test',
    nodeVersion: process.version,
    nodeFlags: '',
    stdout: text => {
      stdout += text
      onOutput?.(stdout)
    },
    stderr: text => {
      stderr += text
    },
    paint: (_style, text) => text,
    isTerminal: false,
    columns: () => 80,
    onKey: undefined,
    workerOf: undefined,
    stopped,
    onHangup() {},
    atExit() {},
  }
  try {
    return { code: await command.run(args, io), stdout, stderr }
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ConfigError)) throw error
    return { code: 2, stdout, stderr: stderr + error.message }
  }
}
