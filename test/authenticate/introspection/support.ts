/** A server that answers when a test says so, and an introspector that asks it. */
import {
  type ActiveAnswer,
  type AnsweringServer,
  type IntrospectionAnswer,
  QuestionFailure,
} from '../../../src/authenticate/introspection/answer.ts'
import { heardInactive } from '../../../src/authenticate/introspection/heard-inactive.ts'
import { introspector } from '../../../src/authenticate/introspection/introspector.ts'
import { Denial } from '../../../src/errors.ts'
import type { Claims, IntrospectionResult } from '../../../src/types.ts'
import { type ManualTime, manualTime } from '../../support/manual-time.ts'

export interface AskedQuestion {
  readonly token: string
  readonly signal: AbortSignal
  readonly isOver: boolean
  active(claims?: Claims): Promise<void>
  inactive(): Promise<void>
  fail(error?: unknown): Promise<void>
}

export interface ScriptedServer extends AnsweringServer {
  /** All questions that were sent, oldest first. */
  readonly asked: readonly AskedQuestion[]
  /** Those that have no answer yet. */
  underWay(): readonly AskedQuestion[]
  /** The newest question. */
  last(): AskedQuestion
  readonly isClosed: boolean
}

export function scriptedServer(discover: AnsweringServer['discover'] = async () => {}): ScriptedServer {
  const asked: AskedQuestion[] = []
  let isClosed = false
  return {
    asked,
    endpoint: 'https://auth.example.com/introspect?realm=shop',
    get isClosed() {
      return isClosed
    },
    underWay: () => asked.filter(({ isOver }) => !isOver),
    last() {
      const last = asked.at(-1)
      if (last === undefined) throw new Error('nothing was asked')
      return last
    },
    ask(token, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<IntrospectionAnswer>()
      let isOver = false
      const over = async (settle: () => void): Promise<void> => {
        isOver = true
        settle()
        await settled()
      }
      signal.addEventListener('abort', () => void over(() => reject(signal.reason)), { once: true })
      asked.push({
        token,
        signal,
        get isOver() {
          return isOver
        },
        active: (claims = { sub: 'alice' }) => over(() => resolve({ active: true, claims })),
        inactive: () => over(() => resolve({ active: false })),
        fail: (error = new QuestionFailure('error', 'the server answered 500')) => over(() => reject(error)),
      })
      return promise
    },
    discover,
    close() {
      isClosed = true
    },
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

export type IntrospectorSettings = Partial<Parameters<typeof introspector>[0]>

export const TTL_MS = 30_000
export const TIMEOUT_MS = 2_000

export function asking(settings: IntrospectorSettings = {}, server = scriptedServer()) {
  const time: ManualTime = manualTime()
  const results: IntrospectionResult[] = []
  const durations: (number | undefined)[] = []
  const changes: string[] = []
  const about = introspector({
    server,
    clock: time,
    scheduler: time,
    timeoutMs: TIMEOUT_MS,
    concurrency: 4,
    queue: 4,
    ttlMs: TTL_MS,
    inactiveTtlMs: 5_000,
    refreshAhead: false,
    maxStaleMs: 0,
    entries: 100,
    heard: heardInactive(100),
    onResult(result, durationSeconds) {
      results.push(result)
      durations.push(durationSeconds)
    },
    onBreaker: (_lane, from, to, reason) => changes.push(`${from} → ${to}: ${reason}`),
    ...settings,
  })
  return {
    introspector: about,
    server,
    time,
    results,
    durations,
    changes,
    pass: (ms: number) => time.advance(ms, settled),
    request: (token: string) => requested(() => about.about(token)),
    /** Asks, and has the server say that the token is active. */
    async activate(token: string, claims?: Claims): Promise<ActiveAnswer> {
      const request = requested(() => about.about(token))
      await server.last().active(claims)
      return request.answer()
    },
    /** Lets questions about tokens nobody knows fail, one after the other. */
    async failTimes(times: number, error?: unknown) {
      for (let time = 0; time < times; time += 1) {
        const request = requested(() => about.about(`failing-${time}-${results.length}`))
        await server.last().fail(error)
        await request.denial()
      }
    },
  }
}

export interface Requested {
  /** What became of it by now. */
  readonly outcome: ActiveAnswer | Denial | 'waits'
  /** True when it had its outcome before anything could happen in between. */
  readonly atOnce: boolean
  answer(): Promise<ActiveAnswer>
  denial(): Promise<Denial>
}

function requested(ask: () => ActiveAnswer | Promise<ActiveAnswer>): Requested {
  let outcome: Requested['outcome'] = 'waits'
  const note = (what: unknown): void => {
    if (!(what instanceof Denial)) throw what
    outcome = what
  }
  let waiting: Promise<void> | undefined
  try {
    const answer = ask()
    if (answer instanceof Promise) {
      waiting = answer.then(value => {
        outcome = value
      }, note)
    } else outcome = answer
  } catch (error) {
    note(error)
  }
  const now = (): Requested['outcome'] => outcome
  return {
    get outcome() {
      return now()
    },
    atOnce: waiting === undefined,
    async answer() {
      await waiting
      const is = now()
      if (is === 'waits' || is instanceof Denial) throw new Error('the request was refused', { cause: is })
      return is
    },
    async denial() {
      await waiting
      const is = now()
      if (!(is instanceof Denial)) throw new Error('the request was not refused')
      return is
    },
  }
}
