/** A worker as the primary sees it: a process that is asked, told what to do, and will end some day. */
import cluster from 'node:cluster'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { StartSettings } from '../start-settings.ts'
import {
  type Answers,
  type Failure,
  type Listening,
  type News,
  type Order,
  type Question,
  type ToPrimary,
  type ToWorker,
  WORKER_VARIABLE,
} from './messages.ts'
import type { Family } from './totals.ts'

interface Exit {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
}

export interface Ending extends Exit {
  /** Why it could not start, when it said so. */
  readonly failure: Failure | undefined
}

export interface Member {
  readonly pid: number
  readonly isListening: boolean
  /** Undefined: it ended before it listened. */
  readonly begun: Promise<Listening | undefined>
  /** It has stopped listening. */
  readonly closed: Promise<void>
  /** All that it said has been heard by then. */
  readonly ended: Promise<Ending>
  /** @returns undefined when there is no answer in time */
  ask<Ask extends Question['ask']>(
    question: Question & { readonly ask: Ask },
    limitMs: number,
  ): Promise<Answers[Ask] | undefined>
  /** What is ordered of one that does not listen yet, but for `stop`, comes to nothing. */
  order(order: Order['order']): void
  inform(news: News['news']): void
  /** At once. */
  kill(): void
}

export interface MemberOptions {
  readonly settings: StartSettings
  readonly scheduler: Scheduler
  readonly onFarewell: (member: Member, metrics: readonly Family[]) => void
}

/** Starts the command line of this process once more, as a worker. */
export function member({ settings, scheduler, onFarewell }: MemberOptions): Member {
  const worker = cluster.fork({ [WORKER_VARIABLE]: JSON.stringify(settings) })
  const begun = Promise.withResolvers<Listening | undefined>()
  const closed = Promise.withResolvers<void>()
  const waiting = new Map<number, (answer: Answers[keyof Answers] | undefined) => void>()
  let lastId = 0
  let isListening = false
  let failure: Failure | undefined

  const exited = new Promise<Exit>(resolve => worker.once('exit', (code, signal) => resolve({ code, signal })))
  const silent = new Promise(resolve => worker.once('disconnect', resolve))
  const unborn = new Promise<Exit>(resolve => {
    worker.on('error', ({ message }) => {
      if (worker.process.pid !== undefined) return
      failure = { isConfig: false, text: message }
      resolve({ code: null, signal: null })
    })
  })
  // What it said last may be heard after its exit.
  const ended = Promise.race([Promise.all([exited, silent]).then(([exit]) => exit), unborn]).then((exit): Ending => {
    isListening = false
    begun.resolve(undefined)
    closed.resolve()
    for (const resolve of waiting.values()) resolve(undefined)
    return { ...exit, failure }
  })
  // To one that is going it cannot be said any more; that it goes is told by its end.
  const say = (message: ToWorker): void => void worker.send(message, () => {})
  worker.on('message', (message: ToPrimary) => {
    if (message.tell === 'listening') {
      isListening = true
      begun.resolve(message)
    } else if (message.tell === 'failed') failure = message
    // What this turn of the loop takes is handed over before that is said.
    else if (message.tell === 'look') setImmediate(() => say({ news: 'looked' }))
    else if (message.tell === 'closed') closed.resolve()
    else if (message.tell === 'farewell') onFarewell(self, message.metrics)
    else waiting.get(message.id)?.(message.answer)
  })

  const self: Member = {
    pid: worker.process.pid ?? 0,
    get isListening() {
      return isListening
    },
    begun: begun.promise,
    closed: closed.promise,
    ended,
    async ask<Ask extends Question['ask']>(question: Question & { readonly ask: Ask }, limitMs: number) {
      const id = ++lastId
      const answered = Promise.withResolvers<Answers[keyof Answers] | undefined>()
      waiting.set(id, answered.resolve)
      say({ ...question, id })
      const isAnswered = await settledWithin(scheduler, limitMs, answered.promise)
      waiting.delete(id)
      return isAnswered ? ((await answered.promise) as Answers[Ask] | undefined) : undefined
    },
    order: order => say({ order }),
    inform: news => say({ news }),
    kill: () => void worker.process.kill('SIGKILL'),
  }
  return self
}
