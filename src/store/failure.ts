/** Says in our words why the store cannot be used. Nothing that the server or the library says is repeated as it is. */
import { connectionFailureText } from '../lib/connection-failure.ts'
import { codeOf } from '../lib/failure-text.ts'

/** The store cannot be used, or refuses a command. The message continues "the store …". */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  /** The first word of the server's refusal, such as `NOPERM`; undefined when it said nothing. */
  readonly code: string | undefined
  /** Where our keys are, as `host:port`, when a server of a cluster says so. */
  readonly movedTo: string | undefined

  constructor(message: string, code?: string, movedTo?: string) {
    super(message)
    this.code = code
    this.movedTo = movedTo
  }
}

/** What a server refuses with, and what that means (https://redis.io/docs/latest/develop/reference/protocol-spec). */
const REFUSALS: Readonly<Record<string, string>> = {
  WRONGPASS: 'refuses `username` and `passwordFile`',
  NOAUTH: 'wants a password; set `passwordFile`',
  NOPERM: 'does not allow this user a command or a key that is needed',
  LOADING: 'is loading its data',
  READONLY: 'is a replica, which takes no writes',
  MASTERDOWN: 'is a replica without its master',
  CLUSTERDOWN: 'is a cluster that does not work',
  MOVED: 'is a cluster, and has our keys on another server; set `topology: cluster`',
  ASK: 'is moving our keys to another server',
  TRYAGAIN: 'is moving our keys to another server',
  UNBLOCKED: 'has become a replica',
  OOM: 'has no memory left',
  MISCONF: 'takes no writes, because it cannot save them',
  NOREPLICAS: 'has too few replicas to take writes',
  WRONGTYPE: 'has something else under the name of a key of ours',
  BUSY: 'is busy with a script',
  NOSCRIPT: 'does not know our script',
  ERR: 'does not understand a command; it has to be Redis from 6.2 or Valkey from 7.2',
}

/** What the library says when a server takes no connection in time. */
const LATE = 'Connection timeout'

const NOT_IN_SCRIPT = 'does not allow this user a command or a key that a script of ours needs (NOPERM)'

/** What has the code `ERR` and is no command that the server does not know, by how it begins. */
const ERRORS: ReadonlyArray<readonly [begins: string, code: string, message: string]> = [
  ['ERR Protocol error: unauthenticated', 'NOAUTH', 'wants a password; set `passwordFile` (NOAUTH)'],
  ['ERR no such key', 'NOKEY', 'has no such key'],
  ['ERR AUTH ', 'WRONGPASS', 'has no password for its default user; leave `passwordFile` out, or set `username`'],
  ['ERR invalid password', 'WRONGPASS', 'refuses `username` and `passwordFile`'],
  ['ERR ACL failure in script', 'NOPERM', NOT_IN_SCRIPT],
  ["ERR The user executing the script can't", 'NOPERM', NOT_IN_SCRIPT],
  ['ERR max number of clients', 'MAXCLIENTS', 'has as many clients as it takes'],
]

export function storeError(error: unknown, command?: string): StoreError {
  if (error instanceof StoreError) return error
  const message = error instanceof Error ? error.message : ''
  const known = ERRORS.find(([begins]) => message.startsWith(begins))
  if (known !== undefined) return new StoreError(known[2], known[1])
  const word = /^([A-Z]{2,16})\b/.exec(message)?.[1]
  const refusal = word === undefined ? undefined : REFUSALS[word]
  if (word !== undefined && refusal !== undefined)
    return new StoreError(
      `${refusal} (${command === undefined ? word : `${word} to ${command}`})`,
      word,
      word === 'MOVED' ? message.split(' ')[2] : undefined,
    )
  if (codeOf(error) === undefined && !(error instanceof AggregateError))
    return new StoreError(message === LATE ? 'does not answer in time' : 'has closed the connection')
  return new StoreError(`cannot be reached: ${connectionFailureText(error)}`)
}
