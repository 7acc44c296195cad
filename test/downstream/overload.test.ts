/** Requests are refused when there are too many: how many of them, and what the client and the operator see. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { overloadGate } from '../../src/downstream/overload.ts'
import { CALM, nextState, type OverloadState } from '../../src/downstream/overload-state.ts'
import { DENIALS } from '../../src/errors.ts'
import { type LoopMeter, type LoopSample, loopMeter } from '../../src/lib/loop-meter.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { manualTime } from '../support/manual-time.ts'

const IDLE: LoopSample = { delayMs: 10, utilization: 0.1 }
const DROWNING: LoopSample = { delayMs: 400, utilization: 1 }

const stateAfter = (samples: readonly LoopSample[], from: OverloadState = CALM): OverloadState =>
  samples.reduce(nextState, from)
const times = (count: number, sample: LoopSample): readonly LoopSample[] => Array.from({ length: count }, () => sample)

const delayMs = fc.double({ min: 0, max: 60_000, noNaN: true })
const utilization = fc.double({ min: 0, max: 1, noNaN: true })
const anySample = fc.record({ delayMs, utilization })
const anySamples = fc.array(anySample, { maxLength: 40 })
const overload = fc.record({
  delayMs: fc.double({ min: 200, max: 60_000, minExcluded: true, noNaN: true }),
  utilization: fc.double({ min: 0.95, max: 1, minExcluded: true, noNaN: true }),
})

describe('the decision', () => {
  test('is to refuse nobody while the loop is on time or has time left', () => {
    const calm = anySample.filter(sample => sample.delayMs <= 200 || sample.utilization <= 0.95)
    fc.assert(
      fc.property(fc.array(calm), samples => {
        expect(stateAfter(samples)).toEqual(CALM)
      }),
    )
  })

  test('is to refuse nobody for one long pause, however long, as often as it comes', () => {
    const pauses = fc.array(overload).map(samples => samples.flatMap(sample => [sample, IDLE]))
    fc.assert(
      fc.property(pauses, samples => {
        expect(stateAfter(samples).isShedding).toBe(false)
      }),
    )
  })

  test('is to refuse some after two samples of overload in a row, whatever came before', () => {
    fc.assert(
      fc.property(anySamples, overload, overload, (before, first, second) => {
        const { isShedding, share } = stateAfter([...before, first, second])
        expect(isShedding).toBe(true)
        expect(share).toBeGreaterThan(0.5 - Number.EPSILON)
      }),
    )
  })

  test('never is to refuse everybody', () => {
    fc.assert(
      fc.property(anySamples, samples => {
        const { share } = stateAfter(samples)
        expect(share).toBeGreaterThanOrEqual(0)
        expect(share).toBeLessThanOrEqual(0.95)
      }),
    )
  })

  test('is to refuse more the later the loop runs', () => {
    const shares = [250, 400, 1000, 60_000].map(ms => stateAfter(times(2, { delayMs: ms, utilization: 1 })).share)
    expect(shares).toEqual([0.6, 0.75, 0.9, 0.95])
  })

  test('ends after five samples on time in a row, however busy the loop is, and whatever came before', () => {
    const onTime = fc.record({ delayMs: fc.double({ min: 0, max: 99, noNaN: true }), utilization })
    fc.assert(
      fc.property(anySamples, fc.array(onTime, { minLength: 5, maxLength: 5 }), (before, five) => {
        expect(stateAfter([...before, ...five])).toMatchObject({ isShedding: false, share: 0 })
      }),
    )
  })

  test('goes on while a late sample comes between', () => {
    const shedding = stateAfter(times(2, DROWNING))
    const halfCalm = { delayMs: 150, utilization: 0.2 }
    expect(stateAfter([...times(4, IDLE), halfCalm, ...times(4, IDLE)], shedding).isShedding).toBe(true)
    expect(stateAfter(times(100, halfCalm), shedding)).toMatchObject({ isShedding: true, share: 1 / 3 })
  })
})

describe('the gate', () => {
  /** Makes a gate whose loop is as the test says. */
  function gated(random: () => number = () => 0) {
    const time = manualTime()
    const loop: { now: LoopSample | undefined; closed: number } = { now: IDLE, closed: 0 }
    const meter: LoopMeter = {
      sample: () => loop.now,
      close() {
        loop.closed += 1
      },
    }
    const lines: Array<Record<string, unknown>> = []
    const log = createLog('info', { write: (line: string) => void lines.push(JSON.parse(line)) })
    return { time, loop, lines, gate: overloadGate({ scheduler: time, meter, random, log }) }
  }

  test('looks ten times a second, and logs each change of state once', async () => {
    const { time, loop, lines, gate } = gated()
    await time.advance(1000)
    loop.now = DROWNING
    await time.advance(100)
    expect(gate.admits()).toBe(true)
    await time.advance(1000)
    expect(gate.admits()).toBe(false)
    loop.now = IDLE
    await time.advance(400)
    expect(gate.admits()).toBe(true)
    expect(lines).toHaveLength(1)
    await time.advance(1000)
    expect(gate.admits()).toBe(true)
    expect(lines).toMatchObject([
      { level: 'warn', delay_ms: 400, utilization: 1 },
      { level: 'info', delay_ms: 10, utilization: 0.1 },
    ])
  })

  test('changes nothing while there is nothing to go by', async () => {
    const { time, loop, gate } = gated()
    loop.now = DROWNING
    await time.advance(100)
    loop.now = undefined
    await time.advance(1000)
    expect(gate.admits()).toBe(true)
    loop.now = DROWNING
    await time.advance(100)
    loop.now = undefined
    await time.advance(1000)
    expect(gate.admits()).toBe(false)
  })

  test('refuses the share of requests that was decided', async () => {
    let drawn = 0
    const { time, loop, gate } = gated(() => (drawn++ % 100) / 100)
    loop.now = DROWNING
    await time.advance(200)
    expect(Array.from({ length: 1000 }, () => gate.admits()).filter(isAdmitted => !isAdmitted)).toHaveLength(750)
  })

  test('leaves no timer behind when it is closed', async () => {
    const { time, loop, gate } = gated()
    await time.advance(250)
    gate.close()
    expect(time.pendingMs()).toEqual([])
    expect(loop.closed).toBe(1)
  })
})

describe('the meter', () => {
  test('sees a loop whose every turn takes longer than the time between two samples', async () => {
    const meter = loopMeter()
    const seen: LoopSample[] = []
    while (seen.length < 2) {
      await new Promise(resolve => setTimeout(resolve, 10))
      const sample = meter.sample()
      if (sample !== undefined) seen.push(sample)
      const startMs = performance.now()
      while (performance.now() - startMs < 220);
    }
    meter.close()
    // The delay before the first one is not ours.
    expect(seen[1]?.delayMs).toBeGreaterThan(200)
    expect(seen[1]?.utilization).toBeGreaterThan(0)
  })
})

describe('a gateway that is overloaded', () => {
  let stack: TestStack
  afterEach(() => stack.close())

  test('refuses with 503 before it looks at the token, says when to come back, and serves again afterwards', async () => {
    const loop = { now: IDLE }
    stack = await startTestStack({}, { meter: { sample: () => loop.now, close() {} }, random: () => 0.7 })
    const { issuer, upstream, logs, logged, metrics, request, raw } = stack
    const token = await issuer.mint()
    expect((await request('/private/1', { headers: bearer(token) })).status).toBe(200)

    loop.now = DROWNING
    await logged({ msg: 'overloaded, refusing a share of the requests' })
    const reached = upstream.seen.length
    const second = 'GET /public/second HTTP/1.1\r\nHost: a\r\n\r\n'
    const text = await raw(
      `POST /private/1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: shed-1\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${second.length}\r\n\r\n${second}${second}`,
    )
    const [head = '', body = ''] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 503 /)
    expect(head).toMatch(/^retry-after: 1$/im)
    expect(head).toMatch(/^connection: close$/im)
    expect(head).toMatch(/^content-type: application\/problem\+json$/im)
    expect(head).not.toMatch(/www-authenticate/i)
    expect(JSON.parse(body)).toEqual({
      type: 'urn:sallyport:denial:overloaded',
      status: DENIALS.overloaded.status,
      title: DENIALS.overloaded.title,
      code: 'overloaded',
      request_id: 'shed-1',
    })
    expect(upstream.seen).toHaveLength(reached)

    const line = await logged({ request_id: 'shed-1' })
    expect(line).toMatchObject({ level: 'error', code: 'overloaded', status: 503, method: 'POST', path: '/private/1' })
    expect(logs.filter(({ request_id }) => request_id === 'shed-1')).toHaveLength(1)
    expect(JSON.stringify(line) + text).not.toContain(token)
    const handshake = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=='
    expect(await raw(`GET /public/1 HTTP/1.1\r\nHost: a\r\n${handshake}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 503 /)
    const waits =
      'POST /public/1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: shed-2\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n'
    expect(await raw(waits, /overloaded/)).toMatch(/^HTTP\/1\.1 503 /)
    // Operators get their answers, and the metric is among them.
    expect((await stack.admin('/livez')).status).toBe(200)
    while ((await metrics()).get('sallyport_requests_in_flight') !== 0);
    expect((await metrics()).get('sallyport_requests_total{route="(none)",method="POST",code="overloaded"}')).toBe(2)

    loop.now = IDLE
    await logged({ msg: 'no longer overloaded' })
    expect((await request('/private/1', { headers: bearer(token) })).status).toBe(200)
    expect((await request('/private/1')).status).toBe(401)
  })

  test('serves whoever is not among those refused', async () => {
    stack = await startTestStack({}, { meter: { sample: () => DROWNING, close() {} }, random: () => 0.8 })
    await stack.logged({ msg: 'overloaded, refusing a share of the requests' })
    expect((await stack.request('/public/1')).status).toBe(200)
    expect((await stack.request('/private/1')).status).toBe(401)
  })
})
