/** What single keys do while `sallyport dev` runs at a terminal. */
import { systemClock } from '../lib/clock.ts'
import { refusalText } from '../tools/refusals/refusal-text.ts'
import type { CommandIo } from './command.ts'
import type { DevRun } from './dev-running.ts'

/** The last line of the first screen, and what `?` prints. */
export const KEYS_LINE = 'Keys: t token   r reload   l last refusal   o this screen   ? keys   q quit'

/** @param quit ends the command */
export function followKeys({ gateway, tokenLines, screen }: DevRun, io: CommandIo, quit: () => void): void {
  let turn = 0
  const say = (text: string): void => io.stdout(`${text}\n`)
  const actions: Readonly<Record<string, () => void>> = {
    t() {
      const line = tokenLines[turn % tokenLines.length]
      turn++
      say(
        `${line}\n  prints a token, good for an hour at most; ${tokenLines.length > 1 ? 't again for the next kind' : 't for another'}`,
      )
    },
    r: () => void gateway?.reload(),
    l() {
      const last = gateway?.operations.recent?.({}, 'dev').records.at(-1)
      if (last === undefined) say('nothing was refused yet')
      else io.stdout(refusalText(last.refusal, io.paint, systemClock.nowMs()))
    },
    o: () => io.stdout(`${screen}${KEYS_LINE}\n`),
    '?': () => say(KEYS_LINE),
    q: quit,
    // The end of input, as Ctrl-D says it to programs that read lines.
    '\x04': quit,
  }
  io.onKey?.(key => {
    if (Object.hasOwn(actions, key)) actions[key]?.()
    // Enter sets what follows apart, as people are used to.
    else if (key === '\r') say('')
  })
}
