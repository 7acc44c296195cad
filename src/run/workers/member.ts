/** Starts a worker and speaks with it on behalf of the primary: questions, orders, and news of its end. */
import cluster, { type Worker } from 'node:cluster'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { PackedFamily } from '../../telemetry/metrics/exposition.ts'
import {
  type Answers,
  type Failure,
  LAST_METRICS,
  type Listening,
  type News,
  type Order,
  type Question,
  type Spent,
  type ToldRevocation,
  type ToPrimary,
  type ToWorker,
  WORKER_VARIABLE,
  type WorkerPart,
} from './messages.ts'

interface Exit {
  /** The exit code; null when a signal ended the process. */
  readonly code: number | null
  readonly signal: string | null
}

export interface Ending extends Exit {
  /** Why the worker could not start, when it said so. */
  readonly failure: Failure | undefined
}

export interface Member {
  readonly pid: number
  readonly isListening: boolean
  /** Resolves when the worker listens; undefined when it ends before. */
  readonly begun: Promise<Listening | undefined>
  /** Resolves when the worker has stopped listening. */
  readonly closed: Promise<void>
  /** Resolves when the process has ended and all that it said has been heard. */
  readonly ended: Promise<Ending>
  /** @returns undefined when there is no answer in time */
  ask<Ask extends Question['ask']>(
    question: Question & { readonly ask: Ask },
    limitMs: number,
  ): Promise<Answers[Ask] | undefined>
  /** Gives an order. Before the worker listens, only `stop` has an effect. */
  order(order: Order['order']): void
  inform(news: News): void
  /** Ends the process at once. */
  kill(): void
}

interface MemberOptions {
  readonly part: WorkerPart
  readonly scheduler: Scheduler
  readonly onLastMetrics: (member: Member, metrics: readonly PackedFamily[]) => void
  /** The worker asks for what is revoked. */
  readonly onJoin: (member: Member) => void
  /** The worker was told of a revocation. */
  readonly onRevoked: (member: Member, told: ToldRevocation) => void
  /** The worker has spent of a limit. @returns how far ahead each key is */
  readonly onSpent: (spent: Spent) => readonly number[]
}

/** Starts the command line of this process once more, as a worker. One that cannot be started has ended at once. */
export function member(options: MemberOptions): Member {
  let worker: Worker
  try {
    worker = cluster.fork({ [WORKER_VARIABLE]: JSON.stringify(options.part) })
  } catch (error) {
    // Node tells some failures of the system by an event (EAGAIN, EMFILE) and throws the others (ENOMEM, E2BIG).
    if (!(error instanceof Error && 'syscall' in error)) throw error
    return neverStarted(error.message)
  }
  return started(worker, options)
}

function neverStarted(text: string): Member {
  return {
    pid: 0,
    isListening: false,
    begun: Promise.resolve(undefined),
    closed: Promise.resolve(),
    ended: Promise.resolve({ code: null, signal: null, failure: { isConfig: false, text } }),
    ask: () => Promise.resolve(undefined),
    order() {},
    inform() {},
    kill() {},
  }
}

function started(worker: Worker, { scheduler, onLastMetrics, onJoin, onRevoked, onSpent }: MemberOptions): Member {
  const begun = Promise.withResolvers<Listening | undefined>()
  const closed = Promise.withResolvers<void>()
  const waiting = new Map<number, (answer: Answers[keyof Answers] | undefined) => void>()
  const parts = new Map<number, PackedFamily[]>([[LAST_METRICS, []]])
  let lastId = LAST_METRICS
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
  // The last messages of a process may be heard after its exit.
  const ended = Promise.race([Promise.all([exited, silent]).then(([exit]) => exit), unborn]).then((exit): Ending => {
    isListening = false
    begun.resolve(undefined)
    closed.resolve()
    for (const resolve of waiting.values()) resolve(undefined)
    return { ...exit, failure }
  })
  // A worker that is ending cannot be told any more, and its end tells that.
  const say = (message: ToWorker): void => void worker.send(message, () => {})
  worker.on('message', (message: ToPrimary) => {
    if (message.tell === 'listening') {
      isListening = true
      begun.resolve(message)
    } else if (message.tell === 'failed') failure = message
    // The connections that this turn of the loop accepts are handed over before the worker is told.
    else if (message.tell === 'look') setImmediate(() => say({ news: 'looked' }))
    else if (message.tell === 'closed') closed.resolve()
    else if (message.tell === 'join') onJoin(self)
    else if (message.tell === 'revoked') onRevoked(self, message)
    else if (message.tell === 'spent') say({ news: 'ahead', id: message.id, aheadMs: onSpent(message) })
    else if (message.tell === 'metrics') parts.get(message.id)?.push(...message.metrics)
    else if (message.tell === 'lastMetrics') onLastMetrics(self, parts.get(LAST_METRICS) ?? [])
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
      if (question.ask === 'metrics') parts.set(id, [])
      say({ ...question, id })
      const isAnswered = await settledWithin(scheduler, limitMs, answered.promise)
      waiting.delete(id)
      const told = parts.get(id)
      parts.delete(id)
      const answer = isAnswered ? await answered.promise : undefined
      return (Array.isArray(answer) ? [...(told ?? []), ...answer] : answer) as Answers[Ask] | undefined
    },
    order: order => say({ order }),
    inform: say,
    kill: () => void worker.process.kill('SIGKILL'),
  }
  return self
}
