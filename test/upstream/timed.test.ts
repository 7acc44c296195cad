/** A service may be silent only for so long, and only while it is its turn. Time moves only by hand. */
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Scheduler } from '../../src/lib/scheduler.ts'
import type { UpstreamRequest } from '../../src/upstream/connections.ts'
import { atEnd } from '../support/at-end.ts'
import { testPool, unlimitedBody } from '../support/gateway/upstream-pool.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import { startHttp2Service } from '../support/services/http2-service.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const HEADERS_MS = 30_000
const IDLE_MS = 60_000
/** The time that a connection of HTTP/2 may be without a request. */
const CONNECTION_IDLE_MS = 50_000
/** The time of two looks: one may have been just before the silence began. */
const LATE_MS = 500

let time: ManualTime
beforeEach(() => {
  time = manualTime()
})

interface Running {
  /** The code of the error that ended it. */
  readonly code: Promise<string | undefined>
  readonly call: () => { pause(): void; resume(): void }
  /** Waits for the next bytes of the answer, or for an interim response. */
  part(): Promise<void>
  isOver(): boolean
}

function start(pool: ReturnType<typeof testPool>, change: Partial<UpstreamRequest> = {}): Running {
  let arrived = (): void => {}
  let isOver = false
  let call: { pause(): void; resume(): void } | undefined
  const code = new Promise<string | undefined>(resolve => {
    const end = (error?: Error & { code?: string }): void => {
      isOver = true
      resolve(error?.code)
    }
    pool.dispatch(
      { path: '/', method: 'GET', headers: [], body: null, headersTimeoutMs: HEADERS_MS, upgrade: null, ...change },
      {
        onStart(started) {
          call = started
        },
        onHead: status => {
          if (status < 200) arrived()
        },
        onData: () => arrived(),
        onEnd: () => end(),
        onUpgrade: (_rawHeaders, socket) => void socket.destroy(),
        onError: error => end(error),
      },
    )
  })
  return {
    code,
    call: () => {
      if (call === undefined) throw new Error('not started')
      return call
    },
    part: () =>
      new Promise<void>(resolve => {
        arrived = resolve
      }),
    isOver: () => isOver,
  }
}

/** An answer that the service has not begun. */
interface Held {
  hint(): void
  write(text: string): void
  end(text: string): void
}

function overHttp1(response: ServerResponse): Held {
  return {
    hint: () => response.writeEarlyHints({ link: '</a>; rel=preload' }),
    write: text => response.write(text),
    end: text => response.end(text),
  }
}

function overHttp2(stream: ServerHttp2Stream): Held {
  const begin = (): void => {
    if (!stream.headersSent) stream.respond({ ':status': 200 })
  }
  return {
    hint: () => stream.additionalHeaders({ ':status': 103, link: '</a>; rel=preload' }),
    write(text) {
      begin()
      stream.write(text)
    },
    end(text) {
      begin()
      stream.end(text)
    },
  }
}

/** Lets all of `ms` pass but for what makes a timeout certain. */
async function almost(ms: number): Promise<void> {
  await time.advance(ms - 1)
  await new Promise(setImmediate)
}

/** Expects that it ends not before, and soon after. */
async function endsAfter(ms: number, running: Running, code: string): Promise<void> {
  await almost(ms)
  expect(running.isOver()).toBe(false)
  await time.advance(LATE_MS)
  expect(await running.code).toBe(code)
}

/** This is as much as sockets, or HTTP/2, can have buffered on the way, and more. */
const TOO_MUCH_BYTES = 16 * 1024 * 1024

describe.each(['http:', 'h2c:'] as const)('over %s', protocol => {
  let service: { readonly url: string; close(): Promise<unknown> }
  let pool: ReturnType<typeof testPool>
  let held: Promise<Held>
  let hold: (answer: Held) => void
  beforeAll(async () => {
    service =
      protocol === 'http:'
        ? await startTestUpstream((_request, response) => hold(overHttp1(response)))
        : await startHttp2Service(({ stream }) => hold(overHttp2(stream)))
  })
  afterAll(() => service.close())
  beforeEach(() => {
    held = new Promise(resolve => {
      hold = resolve
    })
    pool = testPool(
      service.url.replace('h2c:', 'http:'),
      { isHttp2: protocol === 'h2c:' || undefined, idleTimeoutMs: IDLE_MS },
      time,
    )
    atEnd(() => pool.close())
  })

  test('no word of the service for as long as the request allows ends it', async () => {
    const running = start(pool)
    await held
    await endsAfter(HEADERS_MS, running, 'HEADERS_TIMEOUT')
  })

  test('each request has its own time', async () => {
    const running = start(pool, { headersTimeoutMs: 2 * HEADERS_MS })
    await held
    await time.advance(HEADERS_MS + LATE_MS)
    expect(running.isOver()).toBe(false)
    await time.advance(HEADERS_MS)
    expect(await running.code).toBe('HEADERS_TIMEOUT')
  })

  test('an interim response buys no time', async () => {
    const running = start(pool)
    const answer = await held
    await almost(HEADERS_MS)
    const part = running.part()
    answer.hint()
    await part
    await time.advance(LATE_MS)
    expect(await running.code).toBe('HEADERS_TIMEOUT')
  })

  test('silence within the answer ends it, and every part of it starts the wait again', async () => {
    const running = start(pool)
    const answer = await held
    for (let i = 0; i < 3; i++) {
      const part = running.part()
      answer.write('part')
      await part
      await almost(IDLE_MS)
      expect(running.isOver()).toBe(false)
    }
    await time.advance(LATE_MS)
    expect(await running.code).toBe('BODY_TIMEOUT')
  })

  test('an answer that is not taken may wait', async () => {
    const running = start(pool)
    const answer = await held
    const part = running.part()
    answer.write('part')
    await part
    running.call().pause()
    await time.advance(3 * IDLE_MS)
    expect(running.isOver()).toBe(false)
    running.call().resume()
    await endsAfter(IDLE_MS, running, 'BODY_TIMEOUT')
  })

  test('while the client sends, it is not the service’s turn', async () => {
    const source = new PassThrough()
    const running = start(pool, { method: 'POST', body: unlimitedBody(source) })
    source.write('some')
    await held
    await time.advance(3 * HEADERS_MS)
    expect(running.isOver()).toBe(false)
    source.end()
    await new Promise(resolve => source.once('close', resolve))
    await endsAfter(HEADERS_MS, running, 'HEADERS_TIMEOUT')
  })

  test('a service that takes nothing of the body has the same time', async () => {
    const source = new PassThrough()
    const body = unlimitedBody(source)
    const running = start(pool, { method: 'POST', body })
    source.write(Buffer.alloc(TOO_MUCH_BYTES))
    await held
    while (!body.isPaused()) await new Promise(setImmediate)
    let passed = -1
    while (passed !== body.receivedBytes) {
      passed = body.receivedBytes
      await almost(HEADERS_MS)
    }
    await time.advance(LATE_MS)
    expect(await running.code).toBe('HEADERS_TIMEOUT')
    source.destroy()
  })

  test('what is over is watched no more', async () => {
    const running = start(pool)
    ;(await held).end('whole')
    expect(await running.code).toBeUndefined()
    await time.advance(LATE_MS)
    // The idle connection is closed later. Over HTTP/1.1 it is idle only once this turn of the loop is over.
    expect(time.pendingMs()).toEqual(protocol === 'h2c:' ? [CONNECTION_IDLE_MS - LATE_MS] : [])
  })
})

test('a process that was stopped for an hour does not take it for silence', async () => {
  let look = (): void => {}
  const scheduler: Scheduler = {
    after(_delayMs, task) {
      look = task
      return () => {}
    },
  }
  const service = await startTestUpstream(() => {})
  atEnd(() => service.close())
  const pool = testPool(service.url, {}, scheduler)
  atEnd(() => pool.close())
  const arrival = service.arrival()
  const running = start(pool)
  await arrival
  look()
  // It passes however late this one is.
  look()
  expect(running.isOver()).toBe(false)
  for (let ms = 0; ms < HEADERS_MS; ms += 250) look()
  expect(await running.code).toBe('HEADERS_TIMEOUT')
})
