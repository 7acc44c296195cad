/** The command `sallyport sessions` lists the sessions of browsers that gateways share, and ends them everywhere. */
import { loadConfigFile } from '../config/read/load.ts'
import type { Config } from '../config/schema/schema.ts'
import { systemClock } from '../lib/clock.ts'
import type { Paint } from '../lib/paint.ts'
import { systemScheduler } from '../lib/scheduler.ts'
import { type RevocationEntry, type RevocationSubject, withTimes } from '../revocation/entry.ts'
import {
  openStoredSessions,
  type SessionProviders,
  type StoredSessionOf,
  sessionProviders,
  storeProblem,
} from '../run/listed-sessions.ts'
import { entryText, revokingEntries, timeText } from '../tools/engine/revoking-entries.ts'
import { entriesOfFile, entriesOfStream, writtenEntry } from '../tools/revocation/sourced-entries.ts'
import { distance, withDistances } from '../tools/text/moments.ts'
import { shortened } from '../tools/text/shortened.ts'
import { shown } from '../tools/text/shown.ts'
import { columns } from '../tools/text/table.ts'
import { parsedArguments, refuseSurplus, unknownAction } from './arguments.ts'
import { type Command, type ExitCode, RuntimeError, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { unknownProvider } from './provider-option.ts'
import { withRevocationStream } from './revocation-stream.ts'

export const sessionsCommand: Command = {
  help: `Usage: sallyport sessions list [--sub V] [--provider ID] [-c FILE] [--json]
       sallyport sessions end (--sub V | --all) [--provider ID] [-c FILE] [--json]

list   shows who is logged in, by the sessions that gateways share in the store (\`store: shared\`).
end    ends sessions: every gateway refuses them within a second, closes their streams, and lets the browser log in
       anew. It writes to the stream of revocations, so it also takes back the tokens that are meant by the same entry:
       with --sub all of the subject, with --all those that the issuer gave to the client of the provider.

  --sub V             the sessions of one subject
  --all               the sessions of everybody
  --provider ID       the provider of type session; else all of them that share their sessions
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --json              what was found or done as JSON

The user of \`store\` needs \`+scan +hmget +del\` for the command. Without them, end ends the sessions all the same, but
cannot say which there were.

Exit codes: 0 done, also when there was no such session; 1 the store is out of reach, or refuses; 2 bad configuration
or usage.

Examples:
  sallyport sessions list
  sallyport sessions end --sub alice
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('sessions', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        provider: { type: 'string' },
        sub: { type: 'string' },
        all: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    })
    const [action, ...more] = positionals
    if (action !== 'list' && action !== 'end') throw unknownAction('sessions', action)
    refuseSurplus(`sessions ${action}`, more, 'config')
    const { sub, all } = values
    if (sub === '') throw new UsageError('--sub takes the subject of a session, and this is empty')
    if (action === 'list' && all === true) throw new UsageError('sessions list shows all sessions; leave --all out')
    if (action === 'end' && (sub === undefined) !== (all === true))
      throw new UsageError('say which sessions end by one of --sub and --all')
    const config = loadConfigFile(configFile(values.config, io.env), io.env)
    const order: Order = { config, providers: sharing(config, values.provider), subject: sub }
    if (action === 'list') {
      const found = await listed(order)
      io.stdout(values.json === true ? json(found.sessions.map(told)) : listText(found, io.paint))
      return 0
    }
    const done = await ended(order)
    io.stdout(values.json === true ? json(jsonOf(done)) : endText(done, order))
    return 0 satisfies ExitCode
  },
}

interface Order {
  readonly config: Config
  /** Those that are meant, all of which share their sessions. */
  readonly providers: SessionProviders
  /** Undefined: everybody. */
  readonly subject: string | undefined
}

/** @throws {UsageError} no command sees the sessions that are meant */
function sharing(config: Config, id: string | undefined): SessionProviders {
  const known = Object.keys(config.providers)
  if (id !== undefined && !known.includes(id)) throw unknownProvider(id, known)
  const all = sessionProviders(config)
  if (id !== undefined && !all.has(id))
    throw new UsageError(`the provider "${id}" is of type ${config.providers[id]?.type}, and has no sessions`)
  const meant = [...all].filter(([each]) => id === undefined || each === id)
  if (meant.length === 0) throw new UsageError('the configuration has no provider of type session')
  const shared = meant.filter(([, { store }]) => store === 'shared')
  if (shared.length > 0) return new Map(shared)
  const names = meant.map(([each]) => `"${each}"`).join(', ')
  throw new UsageError(
    `no command sees the sessions of ${names}, which each gateway keeps in its own memory (\`store: memory\`); end them with sallyport revoke --sub, which tells the gateway by \`revocation.api\`, or restart the gateway, which ends all of them`,
  )
}

interface Found {
  readonly sessions: readonly StoredSessionOf[]
  /** How many no key of the configuration opens. */
  readonly unknown: number
}

type Sessions = Awaited<ReturnType<typeof openStoredSessions>>

/** @throws {RuntimeError} the store cannot be used, or does not allow this user to look for sessions */
async function withSessions<T>({ config }: Order, use: (sessions: Sessions) => Promise<T>): Promise<T> {
  let sessions: Sessions | undefined
  try {
    // A session is known by what opens it, so the keys of all providers are needed to say which are unknown.
    sessions = await openStoredSessions(config, sharing(config, undefined), DEPS)
    return await use(sessions)
  } catch (error) {
    const problem = await storeProblem(config, error, DEPS)
    throw problem === undefined ? error : new RuntimeError(`the store ${problem}`)
  } finally {
    sessions?.close()
  }
}

const DEPS = { clock: systemClock, scheduler: systemScheduler }

async function found({ providers, subject }: Order, sessions: Sessions): Promise<Found> {
  const { sessions: all, unknown } = await sessions.all()
  const meant = all.filter(each => providers.has(each.provider) && (subject === undefined || each.subject === subject))
  return { sessions: meant.toSorted(compared), unknown }
}

function compared(one: StoredSessionOf, other: StoredSessionOf): number {
  const [a, b] = [one, other].map(({ provider, subject }) => `${provider}\0${subject}`)
  return a === b ? one.createdAtMs - other.createdAtMs : String(a) < String(b) ? -1 : 1
}

/** Leaves out what was revoked: gateways take it out of the store only when its browser comes again. */
function listed(order: Order): Promise<Found> {
  const { config } = order
  return withRevocationStream(config, stream =>
    withSessions(order, async each => {
      const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
      const entries = [
        ...entriesOfFile(config),
        ...(stream === undefined ? [] : await entriesOfStream(stream, nowSeconds)),
      ]
      const { sessions, unknown } = await found(order, each)
      const isOver = ({ claims }: StoredSessionOf) => revokingEntries(claims, config, entries, nowSeconds).length > 0
      return { sessions: sessions.filter(session => !isOver(session)), unknown }
    }),
  )
}

interface Done {
  /** Those that were taken out of the store, or why none could be: then they go by themselves, as their time passes. */
  readonly ended: readonly StoredSessionOf[] | RuntimeError
  readonly written: ReadonlyArray<{ readonly id: string; readonly entry: RevocationEntry }>
}

/**
 * The entries alone end the sessions, so they are written before the store is searched, which needs further rights. A
 * gateway that knows a session also writes it back to a store that has lost it.
 */
function ended(order: Order): Promise<Done> {
  const { config } = order
  return withRevocationStream(config, async stream => {
    // A file with shared sessions has the stream, which is filled in when it is loaded.
    if (stream === undefined) throw new Error('there is no stream of revocations')
    const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
    const written: Array<Done['written'][number]> = []
    for (const subject of subjectsOf(order)) {
      const times = { before: undefined, until: undefined, reason: undefined }
      const entry = withTimes({ ...subject, ...times }, nowSeconds, (config.revocation?.keep ?? 0) / 1000)
      written.push({ id: await stream.write({ do: 'revoke', entry }), entry })
    }
    try {
      return { ended: await removed(order, nowSeconds), written }
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
      return { ended: error, written }
    }
  })
}

/** Leaves those alone that began after the entries were written. @throws {RuntimeError} the store cannot be used */
function removed(order: Order, nowSeconds: number): Promise<readonly StoredSessionOf[]> {
  return withSessions(order, async each => {
    const { sessions } = await found(order, each)
    const meant = sessions.filter(({ createdAtMs }) => Math.floor(createdAtMs / 1000) <= nowSeconds)
    await Promise.all(meant.map(each.remove))
    return meant
  })
}

/** Two providers of one issuer need one entry for a subject. */
function subjectsOf({ providers, subject }: Order): readonly RevocationSubject[] {
  const all = [...providers.values()].map(
    ({ issuer, client }): RevocationSubject =>
      subject === undefined ? { issuer, kind: 'client', value: client.id } : { issuer, kind: 'sub', value: subject },
  )
  return [...new Map(all.map(each => [JSON.stringify(each), each])).values()]
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

/** Neither an id of a session nor a token is in it. */
function told({ provider, subject, claims, createdAtMs, lastUsedAtMs, refreshes }: StoredSessionOf) {
  return shown({
    provider,
    issuer: claims.iss,
    sub: subject,
    created: textOf(createdAtMs),
    lastUsed: textOf(lastUsedAtMs),
    refreshes,
  })
}

function jsonOf({ ended: sessions, written }: Done) {
  return {
    ...(sessions instanceof RuntimeError ? { notListed: sessions.message } : { ended: sessions.map(told) }),
    written: written.map(({ id, entry }) => shown({ id, ...writtenEntry(entry) })),
  }
}

function textOf(ms: number): string {
  return timeText(Math.floor(ms / 1000))
}

function listText({ sessions, unknown }: Found, paint: Paint): string {
  const others =
    unknown === 0 ? '' : `${counted(unknown)} cannot be opened with the \`keyFiles\` of this configuration\n`
  if (sessions.length === 0) return `nobody is logged in\n${others}`
  const [head = '', ...lines] = columns([
    ['SUBJECT', 'SINCE', 'LAST USED', 'REFRESHES'],
    ...sessions.map(({ subject, createdAtMs, lastUsedAtMs, refreshes }) => [
      shortened(shown(subject)),
      textOf(createdAtMs),
      distance(lastUsedAtMs - systemClock.nowMs()),
      String(refreshes),
    ]),
  ])
  const blocks = [...Map.groupBy(sessions.keys(), index => sessions[index]?.provider ?? '')].map(
    ([provider, indexes]) => [paint('bold', provider), ...indexes.map(index => `  ${lines[index]}`)].join('\n'),
  )
  return `  ${head}\n${blocks.join('\n')}\n${others}`
}

function endText({ ended: sessions, written }: Done, { subject }: Order): string {
  const whose = subject === undefined ? '' : ` of ${shown(subject)}`
  const lines = [
    sessions instanceof RuntimeError
      ? `ended: all sessions${whose}, which cannot be counted: ${sessions.message}`
      : `ended: ${counted(sessions.length)}${whose}`,
    ...written.flatMap(({ id, entry }) => [
      shown(`revoked: ${withDistances(entryText(entry), systemClock.nowMs())}`),
      `written to the store as ${id}`,
    ]),
    'every gateway that reads the store has it within a second',
  ]
  return `${lines.join('\n')}\n`
}

function counted(count: number): string {
  return `${count} ${count === 1 ? 'session' : 'sessions'}`
}
