/** A reload leaves callers where they were, as long as it changes nothing about their limit. */
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { atEnd } from '../support/at-end.ts'
import { startTestGateway } from '../support/gateway/gateway.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const OK = 'sallyport_rate_limit_decisions_total{limit="all",result="ok"}'

test('what was spent stays spent, and a limit that is changed and changed back is as it was', async () => {
  const upstream = await startTestUpstream()
  atEnd(upstream.close)
  const config = (burst: number, more: object = {}) => ({
    upstreams: { app: upstream.url },
    rateLimits: { all: { rate: '1/h', burst, key: ['client'] } },
    routes: [{ id: 'all', path: '/**', access: 'public', rateLimits: ['all'], ...more }],
  })
  const gateway = await startTestGateway(config(3))
  atEnd(gateway.close)
  const reload = async (written: object): Promise<void> => {
    gateway.write('sallyport.yaml', stringify({ listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...written }))
    await gateway.running.reload()
  }
  const statuses = async (count: number) => {
    const found: number[] = []
    for (let sent = 0; sent < count; sent += 1) found.push((await gateway.request('/x')).status)
    return found
  }
  expect(await statuses(4)).toEqual([200, 200, 200, 429])
  await reload(config(3, { timeout: '7s' }))
  expect(await statuses(1)).toEqual([429])
  await reload(config(2))
  expect(await statuses(3)).toEqual([200, 200, 429])
  await reload(config(3))
  expect(await statuses(1)).toEqual([429])
  expect((await gateway.metrics()).get(OK)).toBe(5)
})

test('under requests, every one is counted by the limit before or by the one after', async () => {
  const upstream = await startTestUpstream()
  atEnd(upstream.close)
  const config = (rate: string) => ({
    upstreams: { app: upstream.url },
    rateLimits: { all: { rate, burst: 10, key: ['client'] } },
    routes: [{ id: 'all', path: '/**', access: 'public', rateLimits: ['all'] }],
  })
  const gateway = await startTestGateway(config('1/h'))
  atEnd(gateway.close)
  const asked = Array.from({ length: 60 }, () => gateway.request('/x'))
  gateway.write(
    'sallyport.yaml',
    stringify({ listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...config('2/h') }),
  )
  await gateway.running.reload()
  const more = await Promise.all([...asked, ...Array.from({ length: 60 }, () => gateway.request('/x'))])
  const passed = more.filter(({ status }) => status === 200).length
  expect(passed).toBeGreaterThanOrEqual(10)
  expect(passed).toBeLessThanOrEqual(20)
  expect(new Set(more.map(({ status }) => status))).toEqual(new Set([200, 429]))
})
