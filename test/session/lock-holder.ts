/** A process that takes the lock of a session and keeps it until it is killed. Arguments: port of the store, id. */
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { sessionKeys } from '../../src/session/session-keys.ts'
import { sharedSessions } from '../../src/session/shared-sessions.ts'
import { definitionOf } from '../support/services/store-definition.ts'
import { SECRET } from './parts.ts'

const [port, id = ''] = process.argv.slice(2)
const keys = sessionKeys([SECRET], 'browser')
const sessions = sharedSessions({
  store: definitionOf({ port: Number(port) }),
  keys: () => keys,
  clock: systemClock,
  scheduler: systemScheduler,
  random: Math.random,
  onCommand() {},
  observer: { connected() {}, lost() {} },
})
console.log((await sessions.lock(id)) === undefined ? 'not held' : 'held')
