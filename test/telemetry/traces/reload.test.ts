/** A reload changes where spans go and which are made, and loses none of those that wait. */
import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { startTestStack } from '../../support/gateway/gateway.ts'
import { startTraceCollector } from '../../support/services/trace-collector.ts'

const parent = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${parent}-00f067aa0ba902b7-01`

test('share, trust and endpoint change with a reload, and spans that wait still reach the endpoint before', async () => {
  const [first, second] = [await startTraceCollector(), await startTraceCollector()]
  const stack = await startTestStack({ traces: { endpoint: first.url, sample: '100%' } })
  onTestFinished(async () => {
    await Promise.all([first.kill(), second.kill()])
  })
  const passedOn = async (): Promise<string> => {
    await stack.request('/public/x', { headers: { traceparent, tracestate: 'a=1' } })
    return String(stack.upstream.seen.at(-1)?.headers.traceparent)
  }
  const reload = async (traces: object | undefined): Promise<void> => {
    const config = {
      listen: '127.0.0.1:0',
      admin: { listen: '127.0.0.1:0' },
      upstreams: { app: stack.upstream.url },
      routes: [{ id: 'public', path: '/public/**', access: 'public' }],
      ...(traces && { traces }),
    }
    stack.write('sallyport.yaml', stringify(config))
    await stack.running.reload()
  }
  expect(await passedOn()).toMatch(/-01$/)
  await reload({ endpoint: second.url, sample: '0%', trustParent: 'always' })
  expect(await passedOn()).toMatch(new RegExp(`^00-${parent}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))
  await reload({ endpoint: second.url, sample: '0%', trustParent: 'never' })
  const refused = await passedOn()
  expect(refused).toMatch(/-00$/)
  expect(refused).not.toContain(parent)
  await reload(undefined)
  expect(await passedOn()).toBe(traceparent)
  expect(stack.upstream.seen.at(-1)?.headers.tracestate).toBe('a=1')
  await stack.close()
  expect(first.spans.filter(({ kind, name }) => kind === 2 && name === 'GET /public/**')).toHaveLength(1)
  expect(second.spans.map(({ traceId, traceState }) => [traceId, traceState])).toEqual([
    [parent, 'a=1'],
    [parent, 'a=1'],
  ])
})
