/**
 * The command `sallyport token decode` shows header, claims and times of a token and verifies nothing. Of an encrypted
 * one it shows the header, and what is inside only with the keys of a configuration.
 */
import { loadConfigFile } from '../config/read/load.ts'
import { systemClock } from '../lib/clock.ts'
import { compactForm } from '../lib/compact-form.ts'
import type { Paint } from '../lib/paint.ts'
import { columns } from '../tools/text/table.ts'
import { type DecodedJwe, decodedJwe } from '../tools/token/decoded-jwe.ts'
import { type DecodedToken, decodedToken } from '../tools/token/decoded-token.ts'
import { decryptionsOf, opened } from '../tools/token/decryptions.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { tokenText } from './inputs.ts'

const WARNING = 'NOT VERIFIED: anybody can write what follows. `sallyport token verify` checks it.'

export async function decode(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parsedArguments('token decode', args, {
    allowPositionals: true,
    options: { json: { type: 'boolean' }, config: { type: 'string', short: 'c' } },
  })
  const [token, ...more] = positionals
  if (token === undefined || more.length > 0)
    throw new UsageError('token decode takes one token; - reads standard input')
  const given = tokenText(token, io)
  const form = values.json === true ? 'json' : 'text'
  io.stdout(
    compactForm(given) === 'jwe'
      ? printed(await decodedEncrypted(given, values.config, io), form, decoded => jweText(decoded, io.paint))
      : printed(decodedPlain(given), form, decoded => jwtText(decoded, io.paint)),
  )
  return 0
}

function printed<T extends object>(decoded: T, form: 'json' | 'text', text: (decoded: T) => string): string {
  return form === 'json' ? `${JSON.stringify({ warning: WARNING, ...decoded }, undefined, 2)}\n` : text(decoded)
}

function decodedPlain(token: string): DecodedToken {
  const decoded = decodedToken(token, systemClock.nowMs())
  if (decoded.header === undefined && decoded.claims === undefined)
    throw new UsageError(
      'this is no JWT: it has no header and no claims that can be read. If it is an opaque token, `sallyport token ' +
        'verify` asks the server that has made it, and shows what it answers',
    )
  return decoded
}

/** Without `-c` no configuration is read, and so no key. */
async function decodedEncrypted(token: string, file: string | undefined, { env }: CommandIo): Promise<DecodedJwe> {
  const decryptions = file === undefined ? undefined : decryptionsOf(loadConfigFile(file, env))
  if (decryptions?.length === 0)
    throw new UsageError(`no provider of ${file} has \`decryption\`, so there is no key that could open the token`)
  const open = decryptions === undefined ? undefined : (jwe: string) => opened(jwe, decryptions)
  const decoded = await decodedJwe(token, systemClock.nowMs(), open)
  if (decoded.header === undefined)
    throw new UsageError('this is no JWT: it has five parts, and no header that can be read')
  return decoded
}

function jwtText(decoded: DecodedToken, paint: Paint): string {
  return `${[paint('yellow', WARNING), ...sections(decoded, paint)].join('\n\n')}\n`
}

function jweText({ header, inside, openedBy, problem }: DecodedJwe, paint: Paint): string {
  const isClosed = problem === undefined && inside === undefined
  return `${[
    paint('yellow', WARNING),
    `${paint('bold', 'Header of the encrypted token')}\n${json(header)}`,
    ...(inside === undefined
      ? []
      : [`Opened with a key of ${openedBy}. What was encrypted:`, ...sections(inside, paint)]),
    ...(isClosed ? ['What is inside can only be read with a key: -c FILE names the configuration that has it.'] : []),
    ...(problem === undefined ? [] : [`${paint('red', 'The gateway refuses it:')} ${problem}`]),
  ].join('\n\n')}\n`
}

function sections({ header, claims, times, problem }: DecodedToken, paint: Paint): readonly string[] {
  const rows = columns(times.map(({ claim, at, inWords }) => [`  ${claim}`, at, inWords]))
  return [
    `${paint('bold', 'Header')}\n${json(header)}`,
    `${paint('bold', 'Claims')}\n${json(claims)}`,
    ...(rows.length === 0 ? [] : [`${paint('bold', 'Times')}\n${rows.join('\n')}`]),
    ...(problem === undefined ? [] : [`${paint('red', 'The gateway refuses it unseen:')} ${problem}`]),
  ]
}

function json(value: unknown): string {
  return value === undefined ? '  cannot be read' : JSON.stringify(value, undefined, 2).replaceAll(/^/gm, '  ')
}
