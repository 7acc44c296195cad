/**
 * Serves `/-/recent` and `/-/live` on the admin listener: what was refused lately, and what is from now on.
 *
 * Both show what strangers sent, so they answer to this machine alone, and to whom the operator has listed. A port that
 * is forwarded (`kubectl port-forward`) comes from this machine.
 *
 * A stream asks for what is new twice a second, and only while its reader takes what it is sent: for one that does not
 * read nothing is gathered, and after a while it is let go. There are few streams at a time.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { canonicalAddress } from '../downstream/client-address.ts'
import { ADMIN_STATUS } from '../errors.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import { networks } from '../lib/networks.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { AdminConsole } from './admin.ts'
import { merged, type RecentAnswer, type RecentPart, type RecentQuestion } from './recent.ts'

const RECENT_PATH = '/-/recent'
const LIVE_PATH = '/-/live'

interface ConsoleOptions {
  /** Asks every process that answers in time. */
  readonly parts: (question: RecentQuestion) => MaybePromise<readonly RecentPart[]>
  /** Addresses and networks that may look besides this machine. */
  readonly from: readonly string[]
  readonly scheduler: Scheduler
}

const MOST_STREAMS = 8
const LOOK_MS = 500
/** A proxy between, and the reader, see that the stream goes on. */
const COMMENT_LOOKS = 20
/** Whoever takes nothing for so many looks is let go. */
const MOST_STALLED_LOOKS = 20

export function recentConsole(options: ConsoleOptions): AdminConsole {
  return {
    paths: new Map([
      [RECENT_PATH, 'GET, HEAD'],
      [LIVE_PATH, 'GET'],
    ]),
    listed: [
      [RECENT_PATH, 'the last refusals, as JSON; ?after= what follows, ?request= that of one request'],
      [LIVE_PATH, 'refusals as they happen, as an event stream'],
    ],
    maySee: consolePeers(options.from),
    serve: app => serveRecent(app, options),
  }
}

/** Is true of a peer that may look: this machine, or one of those listed. */
function consolePeers(from: readonly string[]): AdminConsole['maySee'] {
  const isListed = networks(['127.0.0.0/8', '::1', ...from])
  return ({ socket, server }) => {
    const { remoteAddress } = socket
    // Only who has access to its file reaches a Unix socket.
    if (remoteAddress === undefined) return typeof server.server.address() === 'string'
    return isListed(canonicalAddress(remoteAddress))
  }
}

function serveRecent(app: FastifyInstance, { parts, scheduler }: ConsoleOptions): void {
  const streams = new Set<ServerResponse>()

  app.get(RECENT_PATH, async (request, reply) => {
    const question = questionOf(request)
    const { entries, next } = merged(await parts(question), question)
    return guarded(reply).send({ records: entries.map(({ refusal }) => refusal), next } satisfies RecentAnswer)
  })

  app.get(LIVE_PATH, { exposeHeadRoute: false }, (request, reply) => {
    if (streams.size >= MOST_STREAMS) {
      return guarded(reply)
        .code(ADMIN_STATUS.busy)
        .type('text/plain')
        .send(`${MOST_STREAMS} readers have a stream already; close one\n`)
    }
    const lastId = request.headers['last-event-id']
    const { after } = questionOf(request)
    guarded(reply).type('text/event-stream')
    const response = reply.hijack().raw
    response.writeHead(ADMIN_STATUS.ok, reply.getHeaders() as Record<string, string>)
    response.write('retry: 1000\n\n')
    streams.add(response)
    const stop = follow(response, typeof lastId === 'string' ? lastId : after, { parts, scheduler })
    response.once('close', () => {
      streams.delete(response)
      stop()
    })
    return undefined
  })

  app.addHook('preClose', done => {
    for (const each of streams) each.end()
    done()
  })
}

/** Sends what is new until it is stopped. */
function follow(
  response: ServerResponse,
  after: string | undefined,
  { parts, scheduler }: Pick<ConsoleOptions, 'parts' | 'scheduler'>,
): () => void {
  let cursor = after
  let isOver = false
  let looks = 0
  let stalled = 0
  let cancel = (): void => {}

  async function look(): Promise<void> {
    looks++
    if (response.writableNeedDrain) {
      if (++stalled > MOST_STALLED_LOOKS) response.destroy()
      return
    }
    stalled = 0
    const { entries, next } = merged(await parts({ after: cursor }), { after: cursor })
    cursor = next
    if (isOver) return
    const events = entries.map(each => `event: refusal\nid: ${each.cursor}\ndata: ${JSON.stringify(each.refusal)}\n\n`)
    if (events.length > 0) response.write(events.join(''))
    else if (looks % COMMENT_LOOKS === 0) response.write(': still here\n\n')
  }

  const again = (): void => {
    look().then(
      () => {
        if (!isOver) cancel = scheduler.after(LOOK_MS, again)
      },
      () => response.destroy(),
    )
  }
  again()
  return () => {
    isOver = true
    cancel()
  }
}

function questionOf({ query }: FastifyRequest): RecentQuestion {
  const { after, request } = query as Readonly<Record<string, unknown>>
  return { after: textOf(after), request: textOf(request) }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Nobody keeps such an answer, takes it for something else, or puts it into a page of another origin. */
function guarded(reply: FastifyReply): FastifyReply {
  return reply.headers({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  })
}
