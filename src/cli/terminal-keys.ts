/**
 * Hears single keys at a terminal, and leaves the terminal as it was: at the end of the process, however it comes, and
 * while it is suspended.
 *
 * A terminal that passes keys on at once makes no signals of Ctrl-C, Ctrl-\ and Ctrl-Z any more, so they are made here,
 * for the whole group of processes, as the terminal would: `npx` waits for its child, and must be stopped with it.
 */
import type { ReadStream } from 'node:tty'

/** What is needed of `process`. */
interface SignalledProcess {
  readonly pid: number
  kill(pid: number, signal: NodeJS.Signals): true
  on(event: 'exit' | NodeJS.Signals, listener: () => void): unknown
}

const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = { '\x03': 'SIGINT', '\x1a': 'SIGTSTP' }
/** Zero means every process of the group. */
const GROUP = 0
const CTRL_BACKSLASH = '\x1c'

/** @returns undefined where standard input is no terminal */
export function terminalKeys(
  stdin: Pick<ReadStream, 'isTTY' | 'setRawMode' | 'setEncoding' | 'on' | 'resume'>,
  own: SignalledProcess,
): ((task: (key: string) => void) => void) | undefined {
  if (stdin.isTTY !== true) return undefined
  return task => {
    const hear = (): void => {
      stdin.setRawMode(true)
    }
    const restore = (): void => {
      stdin.setRawMode(false)
    }
    own.on('exit', restore)
    own.on('SIGTSTP', () => {
      restore()
      own.kill(own.pid, 'SIGSTOP')
    })
    own.on('SIGCONT', hear)
    stdin.setEncoding('utf8')
    stdin.on('data', (keys: string | Buffer) => {
      for (const key of String(keys)) {
        const signal = SIGNALS[key]
        // At a terminal it would leave a core behind, and the folder with our secrets.
        if (key === CTRL_BACKSLASH) own.kill(own.pid, 'SIGTERM')
        else if (signal === undefined) task(key)
        else own.kill(GROUP, signal)
      }
    })
    stdin.on('error', () => {})
    hear()
    stdin.resume()
  }
}
