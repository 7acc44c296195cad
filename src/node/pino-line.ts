/**
 * Writes lines past pino that look as if pino had written them, for a line whose members are known beforehand.
 *
 * pino looks at each member of an object to find out how to write it, which is most of what a line costs. It offers no
 * way to write one that is text already: https://github.com/pinojs/pino/issues/1846 asks for members that are. What
 * every line of a log begins and ends with, and where it goes, is taken from pino's inside, which `pino.symbols` opens;
 * nothing promises what is there. Seen in pino 10.4.0.
 *
 * Breaks first: `test/telemetry/passed-line.test.ts`, which compares such a line with pino's own.
 * Remove when: a line of eleven strings and numbers costs pino no more than it costs here.
 */
import { type Logger, pino } from 'pino'

/** What of a logger is used here. A child has its own bindings, and the rest from its parent. */
interface Inside {
  readonly [pino.symbols.streamSym]: { write(line: string): void; readonly isGone?: boolean }
  /** How a line begins, by the number of its level. */
  readonly [pino.symbols.lsCacheSym]: Readonly<Record<number, string>>
  /** The time as a member, with the comma before it. */
  readonly [pino.symbols.timeSym]: () => string
  /** What each line of this log says besides, in the same form: which process it is. */
  readonly [pino.symbols.chindingsSym]: string
  readonly [pino.symbols.endSym]: string
}

interface HandmadeLines {
  /** @returns how a line begins, up to its first member */
  begin(): string
  /** @param line what `begin` gave, and members as JSON with a comma before each: `,"status":200` */
  end(line: string): void
}

interface OtherLines {
  write(line: string): void
  /** Is true when nobody reads any more. */
  isGone(): boolean
}

/** Takes lines of another kind to where the lines of a log go, so that the two never mix. */
export function besideLines(log: Logger): OtherLines {
  const stream = (log as unknown as Inside)[pino.symbols.streamSym]
  return { write: line => void stream.write(line), isGone: () => stream.isGone === true }
}

/** @param log its level must allow `info` whenever a line is written */
export function infoLines(log: Logger, message: string): HandmadeLines {
  const inside = log as unknown as Inside
  const stream = inside[pino.symbols.streamSym]
  const time = inside[pino.symbols.timeSym]
  const bindings = inside[pino.symbols.chindingsSym]
  const start = inside[pino.symbols.lsCacheSym][log.levels.values.info ?? 0]
  const rest = `,"msg":${JSON.stringify(message)}${inside[pino.symbols.endSym]}`
  return {
    begin: () => `${start}${time()}${bindings}`,
    end: line => void stream.write(line + rest),
  }
}
