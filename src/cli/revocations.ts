/** The command `sallyport revocations` lists what is revoked, or says which entry revokes a token. */
import { loadConfigFile } from '../config/read/load.ts'
import type { Config } from '../config/schema/schema.ts'
import { systemClock } from '../lib/clock.ts'
import type { Paint } from '../lib/paint.ts'
import { entryText, revokingEntries, timeText } from '../tools/engine/revoking-entries.ts'
import { entriesOfFile, entriesOfStream, type SourcedEntry, writtenEntry } from '../tools/revocation/sourced-entries.ts'
import { distance, withDistances } from '../tools/text/moments.ts'
import { shortened } from '../tools/text/shortened.ts'
import { shown } from '../tools/text/shown.ts'
import { columns } from '../tools/text/table.ts'
import { decodedToken } from '../tools/token/decoded-token.ts'
import type { Claims } from '../types.ts'
import { parsedArguments, refuseSurplus, unknownAction } from './arguments.ts'
import { type Command, type CommandIo, type ExitCode, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { TOKEN_HELP, tokenText } from './inputs.ts'
import { withRevocationStream } from './revocation-stream.ts'

export const revocationsCommand: Command = {
  help: `Usage: sallyport revocations list [-c FILE] [--json]
       sallyport revocations check TOKEN [-c FILE] [--json]

list   shows every entry of \`revocation.file\` and of the store that is in force.
check  says which of them revoke a token. It looks at claims only, and verifies nothing: sallyport token verify does.
       What was told to one gateway alone (\`revocation.api\` without \`revocation.store\`) is known there only.

  TOKEN               ${TOKEN_HELP}
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --json              entries as JSON

Exit codes: 0 listed, or not revoked; 1 revoked, or the store is out of reach; 2 bad configuration or usage.

Examples:
  sallyport revocations list
  sallyport revocations check @token.txt -c sallyport.yaml
`,
  async run([action, ...args], io) {
    if (action !== 'list' && action !== 'check') throw unknownAction('revocations', action)
    const { values, positionals } = parsedArguments(`revocations ${action}`, args, {
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, json: { type: 'boolean' } },
    })
    const format = values.json === true ? 'json' : 'text'
    if (action === 'list') {
      refuseSurplus('revocations list', positionals, 'config')
      return list(configured(values.config, io), format, io)
    }
    const [given, ...more] = positionals
    if (given === undefined || more.length > 0)
      throw new UsageError('revocations check takes one token; - reads standard input')
    return check(tokenText(given, io), configured(values.config, io), format, io)
  },
}

type Format = 'text' | 'json'

/** @throws {UsageError} nothing could be revoked by this configuration */
function configured(named: string | undefined, { env }: CommandIo): Config {
  const config = loadConfigFile(configFile(named, env), env)
  if (config.revocation !== undefined) return config
  throw new UsageError('the configuration has no section `revocation`, so nothing is ever revoked')
}

async function entriesIn(config: Config): Promise<readonly SourcedEntry[]> {
  const ofStream = await withRevocationStream(config, async stream =>
    stream === undefined ? [] : entriesOfStream(stream, nowSeconds()),
  )
  return [...entriesOfFile(config).filter(({ until }) => until >= nowSeconds()), ...ofStream]
}

function nowSeconds(): number {
  return Math.floor(systemClock.nowMs() / 1000)
}

async function list(config: Config, format: Format, io: CommandIo): Promise<ExitCode> {
  const entries = await entriesIn(config)
  io.stdout(format === 'json' ? json({ entries: entries.map(written) }) : listText(entries, io.paint))
  return 0
}

async function check(token: string, config: Config, format: Format, io: CommandIo): Promise<ExitCode> {
  const { claims } = decodedToken(token, systemClock.nowMs())
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims))
    throw new UsageError('this is no JWT: it has no claims that can be read')
  const found = revokingEntries(claims as Claims, config, await entriesIn(config), nowSeconds())
  if (format === 'json') io.stdout(json({ revoked: found.length > 0, entries: found.map(written) }))
  else if (found.length === 0) io.stdout(`${io.paint('green', 'not revoked')}: ${placesText(config)} ${NONE}\n`)
  else
    io.stdout(
      found
        .map(
          entry =>
            `${io.paint('red', 'revoked')} by ${shown(withDistances(placedText(entry, config), systemClock.nowMs()))}\n`,
        )
        .join(''),
    )
  return found.length > 0 ? 1 : 0
}

const NONE = 'no entry that would revoke it. Its signature and its times were not looked at.'

function placesText({ revocation }: Config): string {
  const places = [
    ...(revocation?.file === undefined ? [] : ['the file']),
    ...(revocation?.store === undefined ? [] : ['the store']),
  ]
  return places.length === 0
    ? 'neither a file nor a store is there, and so'
    : `${places.join(' and ')} ${places.length === 1 ? 'has' : 'have'}`
}

function placedText(entry: SourcedEntry, { revocation }: Config): string {
  const place = entry.source === 'file' ? `${revocation?.file}` : `store ${entry.id}`
  return `${entryText(entry)} (${place})`
}

function written(entry: SourcedEntry) {
  return shown({ source: entry.source, id: entry.id, ...writtenEntry(entry) })
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function listText(entries: readonly SourcedEntry[], paint: Paint): string {
  if (entries.length === 0) return 'nothing is revoked\n'
  const rows = columns([
    ['KIND', 'VALUE', 'ISSUED UNTIL', 'ENDS'],
    ...entries.map(({ kind, value, before, until }) => [
      kind,
      shortened(shown(value)),
      before === undefined ? 'whenever' : timeText(before),
      Number.isFinite(until) ? distance((until - nowSeconds()) * 1000) : 'with the file',
    ]),
  ])
  const [head = '', ...lines] = rows
  const blocks = [...Map.groupBy(entries.keys(), index => entries[index]?.issuer ?? '')].map(([issuer, indexes]) =>
    [paint('bold', shown(issuer)), ...indexes.flatMap(index => [`  ${lines[index]}`, ...noteOf(entries[index])])].join(
      '\n',
    ),
  )
  return `  ${head}\n${blocks.join('\n')}\n`
}

function noteOf(entry: SourcedEntry | undefined): readonly string[] {
  const note = [entry?.id, entry?.reason].filter(each => each !== undefined && each !== '').join('  ')
  return note === '' ? [] : [`    ${shown(note)}`]
}
