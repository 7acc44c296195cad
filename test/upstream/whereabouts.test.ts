import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { beforeEach, describe, expect, test } from 'vitest'
import { connector } from '../../src/upstream/connector.ts'
import { http1Upstream } from '../../src/upstream/http1.ts'
import { type Whereabouts, whereabouts } from '../../src/upstream/whereabouts.ts'
import { atEnd } from '../support/at-end.ts'
import { call, startCall } from '../support/gateway/upstream-call.ts'
import { testUpstream } from '../support/gateway/upstream-pool.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'

const TTL_MS = 30_000

let time: ManualTime
let addresses: readonly string[] | Error
let lookUps: string[]
beforeEach(() => {
  time = manualTime()
  addresses = ['10.0.0.1', '10.0.0.2']
  lookUps = []
})

async function lookUp(host: string): Promise<readonly string[]> {
  lookUps.push(host)
  if (addresses instanceof Error) throw addresses
  return addresses
}

function of(origin: string, socketPath?: string): Whereabouts {
  return whereabouts({ origin, socketPath }, time, lookUp)
}

/** Lets the time of the last answer end, and a request come. */
async function ttlLater(service: Whereabouts): Promise<void> {
  await time.advance(TTL_MS)
  service.isCurrent('10.0.0.1')
  await Promise.resolve()
  await Promise.resolve()
}

describe('the addresses of a name', () => {
  test('are asked for when their time is over and a request comes, and not otherwise', async () => {
    const service = of('http://app.example:80')
    expect(service.isCurrent('10.9.9.9')).toBe(true)
    await time.advance(TTL_MS - 1)
    service.isCurrent('10.0.0.1')
    await time.advance(10 * TTL_MS)
    expect(lookUps).toEqual([])
    for (let i = 0; i < 5; i++) service.isCurrent('10.0.0.1')
    expect(lookUps).toEqual(['app.example'])
  })

  test('are those of the last answer', async () => {
    const service = of('https://app.example')
    service.isCurrent('10.0.0.1')
    await ttlLater(service)
    expect([service.isCurrent('10.0.0.1'), service.isCurrent('10.0.0.3')]).toEqual([true, false])
    addresses = ['10.0.0.3']
    await ttlLater(service)
    expect([service.isCurrent('10.0.0.1'), service.isCurrent('10.0.0.3')]).toEqual([false, true])
  })

  test('stay when there is no answer, and are asked for again', async () => {
    const service = of('http://app.example')
    service.isCurrent('10.0.0.1')
    await ttlLater(service)
    addresses = new Error('ENOTFOUND')
    await ttlLater(service)
    expect([service.isCurrent('10.0.0.1'), service.isCurrent('10.0.0.3')]).toEqual([true, false])
    addresses = ['10.0.0.3']
    await ttlLater(service)
    expect([service.isCurrent('10.0.0.1'), service.isCurrent('10.0.0.3')]).toEqual([false, true])
    expect(lookUps).toHaveLength(3)
  })

  test('are compared without their zones', async () => {
    addresses = ['fe80::1%eth0']
    const service = of('http://app.example')
    service.isCurrent('fe80::1')
    await ttlLater(service)
    expect(service.isCurrent('fe80::1')).toBe(true)
  })

  test.each([
    ['http://127.0.0.1:3000', undefined],
    ['http://[::1]:3000', undefined],
    ['http://localhost:3000', undefined],
    ['http://app.localhost:3000', undefined],
    ['http://localhost', '/run/app.sock'],
  ])('of %s never change', async (origin, socketPath) => {
    const service = of(origin, socketPath)
    service.isCurrent('127.0.0.1')
    await ttlLater(service)
    expect([service.isCurrent('10.1.1.1'), lookUps]).toEqual([true, []])
  })
})

test('steady traffic follows a service that moves, and what runs at the old place is served to its end', async () => {
  const used: number[] = []
  const held: Socket[] = []
  const service = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', head => {
      used.push(socket.remotePort ?? 0)
      if (/^GET \/held/.test(String(head))) held.push(socket)
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  atEnd(() => service.close())
  const options = testUpstream(`http://127.0.0.1:${(service.address() as AddressInfo).port}`)
  let isCurrent = true
  const pool = http1Upstream({
    ...options,
    connect: connector(options, 'http1', time),
    scheduler: time,
    whereabouts: { isCurrent: () => isCurrent },
  })
  atEnd(() => pool.close())
  const held1 = startCall(pool, '/held')
  while (held.length === 0) await new Promise(setImmediate)
  for (let i = 0; i < 2; i++) {
    await call(pool, '/')
    await new Promise(setImmediate)
  }
  isCurrent = false
  await call(pool, '/')
  held[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  expect(await held1.ended).toMatchObject({ statuses: [200], error: undefined })
  const [atOld, first, second, third] = used
  expect([first === atOld, second === first, third === second]).toEqual([false, true, false])
})
