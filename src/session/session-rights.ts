/** Finds out whether the store allows what sessions need of it, and writes nothing. */
import type { ConnectionDeps } from '../store/connection.ts'
import { storeError } from '../store/failure.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import { COMMANDS, LISTING_COMMANDS, lockName, sessionName } from './session-scripts.ts'

type Command = (typeof COMMANDS)[number] | (typeof LISTING_COMMANDS)[number]

/** Each is answered, or refused after the right to it was looked at. No session has the name that they are about. */
const PROBES: Readonly<Record<Command, (session: string, lock: string) => readonly string[]>> = {
  SET: (_session, lock) => ['SET', lock, '1', 'XX', 'PX', '1'],
  GET: (_session, lock) => ['GET', lock],
  DEL: session => ['DEL', session],
  HMGET: session => ['HMGET', session, 'g'],
  // A field without its value is an error, but no lack of arguments that would be told before the lack of rights.
  HSET: session => ['HSET', session, 'g', '1', 'd'],
  PEXPIRE: session => ['PEXPIRE', session, '1'],
  EVAL: (session, lock) => ['EVAL', 'return 1', '2', session, lock],
  EVALSHA: (session, lock) => ['EVALSHA', '0'.repeat(40), '2', session, lock],
  SCAN: () => ['SCAN', '0', 'COUNT', '1'],
}

/**
 * Tries what a gateway does with sessions, or what the command does that lists and ends them.
 *
 * @returns what is wrong, in words that continue "the store …"; undefined when all is well
 */
export async function probeSharedSessions(
  definition: StoreDefinition,
  use: 'serve' | 'list',
  deps: Omit<ConnectionDeps, 'onCommand'>,
): Promise<string | undefined> {
  const server = store(definition, { ...deps, onCommand() {} })
  const session = server.key(sessionName(''))
  const lock = server.key(lockName(''))
  const refused: string[] = []
  try {
    const connection = await server.connect(PROBES.HMGET(session, lock))
    try {
      for (const command of use === 'serve' ? COMMANDS : LISTING_COMMANDS) {
        const error = await connection.send(PROBES[command](session, lock)).then(() => undefined, storeError)
        if (error?.code === 'NOPERM') refused.push(`+${command.toLowerCase()}`)
        else if (error !== undefined && error.code !== 'NOSCRIPT' && error.code !== 'ERR') return error.message
      }
    } finally {
      connection.close()
    }
  } catch (error) {
    return storeError(error).message
  }
  if (refused.length === 0) return undefined
  const names = use === 'serve' ? [sessionName('*'), lockName('*')] : [sessionName('*')]
  const patterns = names.map(name => `~${server.key(name)}`)
  return `does not allow this user all that is needed; add to its access control list \`${[...refused, ...patterns].join(' ')}\``
}
