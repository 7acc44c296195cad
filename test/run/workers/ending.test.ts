/** Workers end: by accident, and are replaced; or because they are told to, and lose nothing. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Agent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { echo } from '../../support/services/upstream.ts'
import { isRunning, OK, requests, serving, startWorkers, until, WORKERS } from './support.ts'

const BEFORE = 20
const TOOK_PLACE = 'a worker took its place'
const ENDED = 'a worker ended, another takes its place'

async function isReady(admin: (path: string) => Promise<{ readonly status: number }>): Promise<void> {
  await until(
    () => admin('/readyz'),
    ({ status }) => status === 200,
  )
}

/** Answers `/held` when a test says so, and echoes the rest. */
async function startHolding() {
  const held: ServerResponse[] = []
  const stack = await startWorkers({}, (incoming, response) => {
    if (incoming.url === '/held') held.push(response)
    else echo(incoming, response)
  })
  return {
    ...stack,
    async nextHeld(): Promise<ServerResponse> {
      for (;;) {
        const response = held.shift()
        if (response !== undefined) return response
        await stack.upstream.arrival()
      }
    },
  }
}

/** Sets soft limits of a running process. The hard ones stay, so that they can be raised again. */
function limit(pid: number | undefined, ...limits: readonly string[]): void {
  execFileSync('prlimit', ['--pid', String(pid), ...limits])
}

describe.runIf(process.platform === 'linux')('a worker that cannot be started', () => {
  // An environment of 200 KiB fits the usual stack, a quarter of which is for arguments, and no stack of 64 KiB.
  const env = { FILLER_A: 'a'.repeat(100_000), FILLER_B: 'b'.repeat(100_000) }

  test.each([
    ['the system says no when it is asked (thrown)', '--stack=65536:', '--stack=8388608:', 'spawn E2BIG'],
    ['the process has no descriptor left (an event)', '--nofile=8:', '--nofile=1024:', 'EMFILE'],
  ])('is tried again, later each time, while the others serve: %s', async (_what, lower, raise, reason) => {
    const { gateway, pids } = await startWorkers({}, undefined, { env })
    const { pid } = gateway.process.child
    const [victim = 0] = await pids()
    limit(pid, lower)
    process.kill(victim, 'SIGKILL')
    expect(await gateway.logged({ msg: ENDED }, 1)).toMatchObject({ worker: victim, pause_ms: 100 })
    const second = await gateway.logged({ msg: ENDED }, 2)
    expect(second).toMatchObject({ worker: 0, pause_ms: 200 })
    expect(String(second.reason)).toContain(reason)
    expect(await gateway.logged({ msg: ENDED }, 3)).toMatchObject({ worker: 0, pause_ms: 400 })
    limit(pid, raise)
    await gateway.logged({ msg: TOOK_PLACE })
    await isReady(gateway.admin)
    expect(await pids()).toHaveLength(WORKERS)
    expect(await requests(gateway.url, 2)).toEqual([200, 200])
  })
})

describe('a worker that is killed', () => {
  test('is replaced, requests go on meanwhile, and no counter goes down', async () => {
    const { gateway, pids } = await startWorkers()
    await requests(gateway.url, BEFORE)
    const before = await until(gateway.metrics, found => found.get(OK) === BEFORE)
    const [victim = 0, survivor = 0] = await pids()

    process.kill(victim, 'SIGKILL')
    expect(await gateway.logged({ msg: ENDED })).toMatchObject({ worker: victim, signal: 'SIGKILL', level: 'error' })
    expect(await requests(gateway.url, BEFORE)).toEqual(Array(BEFORE).fill(200))
    const during = await gateway.metrics()
    await gateway.logged({ msg: TOOK_PLACE })
    const after = await until(gateway.metrics, found => found.get(OK) === 2 * BEFORE)
    for (const [series, value] of before) {
      if (!/^sallyport_.*_(total|bucket|count|sum)(\{|$)/.test(series)) continue
      expect(during.get(series), series).toBeGreaterThanOrEqual(value)
      expect(after.get(series), series).toBeGreaterThanOrEqual(during.get(series) ?? Number.NaN)
    }

    await isReady(gateway.admin)
    const [one = 0, two = 0] = await pids()
    expect(one).toBe(survivor)
    expect(two).not.toBe(victim)
    await requests(gateway.url, BEFORE)
    expect((await until(gateway.metrics, found => found.get(OK) === 3 * BEFORE)).get(OK)).toBe(3 * BEFORE)
    await until(
      () => serving(gateway),
      found => found.has(two),
    )
  })

  test('is replaced when nobody is left, and later each time', async () => {
    const { gateway, pids } = await startWorkers()
    const first = await pids()
    for (const pid of first) process.kill(pid, 'SIGKILL')
    await gateway.logged({ msg: TOOK_PLACE }, WORKERS)
    await isReady(gateway.admin)
    const second = await pids()
    for (const pid of second) process.kill(pid, 'SIGKILL')
    await gateway.logged({ msg: TOOK_PLACE }, 2 * WORKERS)
    await isReady(gateway.admin)
    expect(new Set([...first, ...second, ...(await pids())]).size).toBe(3 * WORKERS)
    const pauses = gateway.lines().flatMap(({ msg, pause_ms }) => (msg === ENDED ? [pause_ms] : []))
    expect(pauses).toEqual([100, 100, 200, 200])
    const { url } = await gateway.logged({ msg: TOOK_PLACE }, 2 * WORKERS)
    expect(await requests(String(url), BEFORE)).toEqual(Array(BEFORE).fill(200))
  })

  test('is replaced when the file allows it, and what needs a restart still does', async () => {
    const { gateway, pids, upstream } = await startWorkers()
    const moved = { workers: WORKERS, listen: '127.0.0.1:1', upstreams: { app: upstream.url } }
    const routes = [{ id: 'other', path: '/**', access: 'public' }]
    gateway.write('sallyport.yaml', { ...moved, routes })
    await gateway.logged({ msg: 'configuration rejected, the old one stays' }, WORKERS)
    const [victim = 0] = await pids()
    process.kill(victim, 'SIGKILL')
    await gateway.logged({ msg: ENDED }, 2)
    const [, failed] = gateway.lines().filter(({ msg }) => msg === ENDED)
    expect(failed?.reason).toContain('listen.address: was changed, which needs a restart')
    expect(await gateway.admin('/readyz')).toEqual({
      status: 503,
      text: '{"ready":false,"reasons":["1 of 2 workers are not running"]}',
    })
    expect(await requests(gateway.url, BEFORE)).toEqual(Array(BEFORE).fill(200))
    gateway.write('sallyport.yaml', { workers: WORKERS, upstreams: { app: upstream.url }, routes })
    await gateway.logged({ msg: TOOK_PLACE })
    await isReady(gateway.admin)
  })
})

describe('a worker that does not answer', () => {
  test('holds up no scrape: it counts with its last figures, and is not ready', async () => {
    const { gateway, pids } = await startWorkers()
    await requests(gateway.url, BEFORE)
    await until(gateway.metrics, found => found.get(OK) === BEFORE)
    const [stopped = 0, other = 0] = await pids()
    process.kill(stopped, 'SIGSTOP')
    atEnd(() => isRunning(stopped) && process.kill(stopped, 'SIGCONT'))
    expect((await gateway.metrics()).get(OK)).toBe(BEFORE)
    expect(await gateway.admin('/readyz')).toEqual({
      status: 503,
      text: `{"ready":false,"reasons":["worker ${stopped} does not answer"]}`,
    })
    const { workers } = JSON.parse((await gateway.admin('/-/status')).text)
    expect(workers).toMatchObject([
      { pid: stopped, ready: false },
      { pid: other, ready: true },
    ])
    process.kill(stopped, 'SIGCONT')
    await isReady(gateway.admin)
  })
})

describe('signals', () => {
  test('to a worker are ignored: the primary leads', async () => {
    const { gateway, pids } = await startWorkers()
    const running = await pids()
    for (const pid of running) for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal)
    gateway.process.child.kill('SIGHUP')
    await gateway.logged({ msg: 'configuration reloaded', trigger: 'SIGHUP' }, WORKERS)
    expect(gateway.lines().filter(({ msg }) => msg === 'configuration reloaded')).toHaveLength(WORKERS)
    expect(await pids()).toEqual(running)
    expect(await requests(gateway.url, BEFORE)).toEqual(Array(BEFORE).fill(200))
  })

  test('a second one ends all of them at once', async () => {
    const { gateway, pids, nextHeld } = await startHolding()
    const running = await pids()
    const answer = request(`${gateway.url}/held`).catch((error: unknown) => error)
    await nextHeld()
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' }, WORKERS)
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(143)
    expect(await answer).toBeInstanceOf(Error)
    await until(
      () => running.filter(isRunning),
      left => left.length === 0,
    )
  })
})

describe('draining', () => {
  test('finishes what is under way, counts it, and ends with 0', async () => {
    const { gateway, nextHeld } = await startHolding()
    const answers = Array.from({ length: WORKERS }, () => request(`${gateway.url}/held`, { reset: true }))
    const services = await Promise.all(answers.map(nextHeld))
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' }, WORKERS)
    expect(await gateway.admin('/readyz')).toEqual({ status: 503, text: '{"ready":false,"reasons":["draining"]}' })
    for (const service of services) service.end('finished')
    for (const { statusCode, body } of await Promise.all(answers))
      expect([statusCode, await body.text()]).toEqual([200, 'finished'])
    await until(gateway.metrics, found => found.get(OK) === WORKERS)
    expect(await gateway.process.exited).toBe(0)
    expect(gateway.lines().filter(({ msg }) => msg === 'drained')).toHaveLength(WORKERS)
    expect(gateway.process.stderr()).toBe('')
  })

  test('loses no request of clients that come back on new connections', async () => {
    const { gateway } = await startWorkers({ log: { access: 'denied' } })
    const dispatcher = new Agent({ connections: null })
    atEnd(() => dispatcher.destroy())
    const failures: string[] = []
    let answered = 0
    const client = async (): Promise<void> => {
      for (;;) {
        try {
          const { statusCode, body } = await request(gateway.url, { dispatcher, reset: true })
          await body.dump()
          if (statusCode === 200) answered++
          else failures.push(`status ${statusCode}`)
        } catch (error) {
          // Nobody listens any more: this request was never sent, and any client would try another instance.
          if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') failures.push(String(error))
          return
        }
      }
    }
    const clients = Promise.all(Array.from({ length: 16 }, client))
    await until(
      () => answered,
      count => count > 500,
    )
    gateway.process.child.kill('SIGTERM')
    await gateway.logged({ msg: 'draining' }, WORKERS)
    await clients
    expect(failures).toEqual([])
    expect(await gateway.process.exited).toBe(0)
  })

  test('asked for by an operator reaches all, those who come later, too', async () => {
    const { gateway, pids } = await startWorkers()
    expect(await gateway.admin('/-/drain', 'POST')).toEqual({ status: 200, text: '{"draining":true}' })
    await gateway.logged({ msg: 'draining', trigger: 'admin' }, WORKERS)
    const [victim = 0] = await pids()
    process.kill(victim, 'SIGKILL')
    await gateway.logged({ msg: TOOK_PLACE })
    await gateway.logged({ msg: 'draining', trigger: 'admin' }, WORKERS + 1)
    expect(await gateway.admin('/readyz')).toEqual({ status: 503, text: '{"ready":false,"reasons":["draining"]}' })
    const { headers, body } = await request(gateway.url)
    await body.dump()
    expect(headers.connection).toBe('close')
  })
})

test('workers whose primary was killed finish what is under way, and end', async () => {
  const { gateway, pids, nextHeld } = await startHolding()
  const running = await pids()
  const answer = request(`${gateway.url}/held`)
  const service = await nextHeld()
  gateway.process.child.kill('SIGKILL')
  await once(gateway.process.child, 'exit')
  await gateway.logged({ msg: 'draining' }, WORKERS)
  // What takes its place can listen meanwhile.
  const { port } = new URL(gateway.url)
  await until(
    () => connects(Number(port)),
    isConnected => !isConnected,
  )
  service.end('finished')
  const { statusCode, body } = await answer
  expect([statusCode, await body.text()]).toEqual([200, 'finished'])
  await until(
    () => running.filter(isRunning),
    left => left.length === 0,
  )
})

async function connects(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
