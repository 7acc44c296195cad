/** An answer that takes its time passes piece by piece, as each comes, for as long as any come. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const IDLE_MS = 2_000

let service: TestUpstream
let gateway: TestGateway
let answers: ServerResponse[]
beforeEach(async () => {
  answers = []
  service = await startTestUpstream((_request, response) => void answers.push(response))
  gateway = await startTestGateway({
    upstreams: { app: { url: service.url, timeouts: { idle: `${IDLE_MS}ms` } } },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
})
afterEach(async () => {
  await gateway.close()
  await service.close()
})

async function asked(lines: readonly string[] = []): Promise<{ client: RawClient; answer: ServerResponse }> {
  const client = rawClient(Number(new URL(gateway.url).port))
  const arrival = service.arrival()
  client.write(`${['GET /events HTTP/1.1', 'Host: a', ...lines].join('\r\n')}\r\n\r\n`)
  await arrival
  const answer = answers.at(-1)
  if (answer === undefined) throw new Error('nothing was asked')
  return { client, answer }
}

/** @returns the decoded pieces of a chunked body, one string per chunk */
function chunksOf(text: string): string[] {
  return [...text.slice(text.indexOf('\r\n\r\n') + 4).matchAll(/[0-9a-f]+\r\n([\s\S]*?)\r\n(?=[0-9a-f]+\r\n|$)/g)].map(
    ([, chunk = '']) => chunk,
  )
}

describe.each([
  ['server-sent events', 'text/event-stream', ['data: 1\n\n', ': comment\n\n', 'event: x\ndata: 2\n\n']],
  ['NDJSON', 'application/x-ndjson', ['{"a":1}\n', '{"a":2}\n', '{"a":3}\n']],
  ['gRPC-web', 'application/grpc-web+proto', ['\0\0\0\0\x03abc', '\0\0\0\0\x02de', '\x80\0\0\0\x0fgrpc-status:0\r\n']],
])('%s', (_name, type, pieces) => {
  test('arrive piece by piece, the head before the first', async () => {
    const { client, answer } = await asked(['Accept-Encoding: gzip'])
    answer.writeHead(200, { 'content-type': type })
    answer.flushHeaders()
    expect(await client.until(/\r\n\r\n/)).toContain(type)
    for (const [index, piece] of pieces.entries()) {
      answer.write(Buffer.from(piece, 'latin1'))
      // The next one is not sent before this one is there.
      while (chunksOf(client.received()).length <= index) await once(client.socket, 'data')
    }
    expect(chunksOf(client.received())).toEqual(pieces)
    answer.end()
    await client.until(/\r\n0\r\n\r\n$/)
  })
})

test('a first piece that comes together with the head does not wait for a second', async () => {
  const { client, answer } = await asked()
  answer.write('first')
  await client.until(/first/)
})

test('comments keep a stream open past any idle time', async () => {
  const { client, answer } = await asked()
  const startMs = performance.now()
  while (performance.now() - startMs < 2.5 * IDLE_MS) {
    const data = once(client.socket, 'data')
    answer.write(': still here\n\n')
    await data
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  answer.end('data: done\n\n')
  expect(await client.until(/\r\n0\r\n\r\n$/)).toContain('data: done')
})

test('a long poll is answered when there is something to say, and the connection serves the next one', async () => {
  const { client, answer } = await asked()
  await gateway.admin('/livez')
  expect(client.received()).toBe('')
  answer.end('news')
  await client.until(/news$/)
  const arrival = service.arrival()
  client.write('GET /events?since=1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await arrival
  answers.at(-1)?.writeHead(204).end()
  await client.until(/HTTP\/1\.1 204 /)
})

test.each(['before the head', 'after the head'])('a client that leaves %s takes the service with it', async when => {
  const { client, answer } = await asked()
  const closed = once(answer, 'close')
  if (when === 'after the head') {
    answer.write('data: 1\n\n')
    await client.until(/data: 1/)
  }
  client.socket.destroy()
  await closed
  expect(answer.writableFinished).toBe(false)
})
