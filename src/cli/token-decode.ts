/** The command `sallyport token decode` shows header, claims and times of a token and verifies nothing. */
import { systemClock } from '../lib/clock.ts'
import type { Paint } from '../tools/text/paint.ts'
import { columns } from '../tools/text/table.ts'
import { type DecodedToken, decodedToken } from '../tools/token/decoded-token.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { tokenText } from './inputs.ts'

const WARNING = 'NOT VERIFIED: anybody can write what follows. `sallyport token verify` checks it.'

export async function decode(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parsedArguments('token', args, {
    allowPositionals: true,
    options: { json: { type: 'boolean' } },
  })
  const [token, ...more] = positionals
  if (token === undefined || more.length > 0)
    throw new UsageError('token decode takes one token; - reads standard input')
  const decoded = decodedToken(tokenText(token), systemClock.nowMs())
  if (decoded.header === undefined && decoded.claims === undefined)
    throw new UsageError('this is no JWT: it has no header and no claims that can be read')
  io.stdout(
    values.json === true
      ? `${JSON.stringify({ warning: WARNING, ...decoded }, undefined, 2)}\n`
      : text(decoded, io.paint),
  )
  return 0
}

function text({ header, claims, times, problem }: DecodedToken, paint: Paint): string {
  const rows = columns(times.map(({ claim, at, inWords }) => [`  ${claim}`, at, inWords]))
  const sections = [
    paint('yellow', WARNING),
    `${paint('bold', 'Header')}\n${json(header)}`,
    `${paint('bold', 'Claims')}\n${json(claims)}`,
    ...(rows.length === 0 ? [] : [`${paint('bold', 'Times')}\n${rows.join('\n')}`]),
    ...(problem === undefined ? [] : [`${paint('red', 'The gateway refuses it unseen:')} ${problem}`]),
  ]
  return `${sections.join('\n\n')}\n`
}

function json(value: unknown): string {
  return value === undefined ? '  cannot be read' : JSON.stringify(value, undefined, 2).replaceAll(/^/gm, '  ')
}
