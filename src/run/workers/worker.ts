/**
 * One of several processes that share the listener: the whole gateway but for its admin listener, led by the primary.
 *
 * It heeds no signals: a terminal sends them to every process of its group, and the primary says when to stop. When the
 * primary is gone, nobody would say so any more: requests under way end, and then the process does. It stops listening
 * at once, so that a new primary can start.
 */
import cluster from 'node:cluster'
import { getSystemErrorMessage } from 'node:util'
import type { DrainPace } from '../../downstream/drain.ts'
import { ConfigError } from '../../errors.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { familiesOf, type PackedFamily, packed } from '../../telemetry/metrics/exposition.ts'
import { type RunningGateway, type StartOptions, start } from '../start.ts'
import { type Answers, type Failure, LAST_METRICS, type Question, type ToPrimary, type ToWorker } from './messages.ts'
import { primaryAcceptor } from './primary-acceptor.ts'
import { primaryLedger } from './primary-ledger.ts'
import { primaryPeers } from './primary-peers.ts'

/** Resolves when the process may end. When it cannot start, it tells the primary why. */
export async function runWorker(options: StartOptions): Promise<void> {
  const { worker } = cluster
  if (worker === undefined) throw new Error('this process was not started by a primary')
  const stopping = Promise.withResolvers<DrainPace>()
  let running: RunningGateway | undefined

  const tell = (message: ToPrimary): Promise<void> =>
    // A primary that cannot be told is gone, and the `disconnect` event tells that.
    new Promise(resolve => worker.send(message, () => resolve()))

  async function tellMetrics(id: number, metrics: AsyncIterable<readonly PackedFamily[]>): Promise<void> {
    for await (const part of metrics) await tell({ tell: 'metrics', id, metrics: part })
  }

  const acceptor = primaryAcceptor(worker, systemScheduler, options.besidePort === undefined ? 'primary' : 'worker')
  const peers = primaryPeers(worker, systemScheduler)
  const limitSiblings = primaryLedger(worker, systemScheduler)
  worker.on('message', async (message: ToWorker) => {
    // A worker hears of revocations before it is running.
    if ('ask' in message && message.ask === 'heard')
      await tell({ tell: 'answer', id: message.id, answer: peers.hear(message) })
    else if ('ask' in message) {
      const answer = running && (await answerTo(message, running, tellMetrics).catch(() => undefined))
      await tell({ tell: 'answer', id: message.id, answer })
    } else if ('news' in message) return
    else if (message.order === 'stop') stopping.resolve('usual')
    else if (message.order === 'drain') running?.operations.drain()
    else await running?.reload()
  })
  worker.once('disconnect', () => {
    // Without this Node ends the process at once, which is right only as long as it serves nobody.
    worker.exitedAfterDisconnect = running !== undefined
    stopping.resolve('soon')
  })

  try {
    const { pid } = worker.process
    running = await start({
      ...{ ...options, acceptor, peers, limitSiblings },
      log: level => options.log(level).child({ worker: pid }),
    })
  } catch (error) {
    await tell({ tell: 'failed', ...failureOf(error) })
    return
  }
  await tell({ tell: 'listening', url: running.url, hash: running.hash, routes: running.routes.length })
  await running.drain(await stopping.promise)
  await running.close()
  await tellMetrics(LAST_METRICS, metricsOf(running))
  await tell({ tell: 'lastMetrics' })
}

async function answerTo(
  question: Question & { readonly id: number },
  running: RunningGateway,
  tellMetrics: (id: number, metrics: AsyncIterable<readonly PackedFamily[]>) => Promise<void>,
): Promise<Answers[keyof Answers] | undefined> {
  if (question.ask === 'status') return running.operations.status()
  if (question.ask === 'revocations') return running.operations.revocations(question.request)
  if (question.ask === 'publishedKeys') return running.operations.publishedKeys()
  if (question.ask === 'recent') return running.operations.recent?.(question.question, question.subjectKey)
  if (question.ask === 'probe') return running.operations.appProbes.status(question.path)
  await tellMetrics(question.id, metricsOf(running))
  return []
}

function metricsOf({ operations }: RunningGateway): AsyncIterable<readonly PackedFamily[]> {
  return packed(familiesOf(operations.metrics()))
}

/** Words the failure as a process that listens by itself would. */
function failureOf(error: unknown): Failure {
  if (error instanceof ConfigError) return { isConfig: true, text: error.message }
  const { code, errno, address, port, message, stack } = error as NodeJS.ErrnoException & {
    readonly address?: string
    readonly port?: number
  }
  if (errno === undefined || address === undefined)
    return { isConfig: false, text: code ? message : (stack ?? message) }
  const place = port === undefined || port < 0 ? address : `${address}:${port}`
  return { isConfig: false, text: `listen ${code}: ${getSystemErrorMessage(errno)} ${place}` }
}
