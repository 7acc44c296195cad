/**
 * What has ended is not called from a listener where nobody catches: a client would end the process by leaving.
 *
 * Found in the field: while the gateway drained, a session of HTTP/2 that its client had broken was told to go away,
 * which throws. And a client that asked for a tunnel and reset its connection was answered on a socket from which Node
 * had taken its listeners, so that the error had no home.
 */
import type { RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CODES,
  data,
  END_HEADERS,
  frame,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  uint32,
} from '../support/clients/http2-frame-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { type GatewayOnFile, startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const routes = [{ id: 'all', path: '/**', access: 'public' }]

const BIG = Buffer.alloc(20 * 1024 * 1024)
const answer: RequestListener = (request, response) => {
  if (request.url === '/big') response.end(BIG)
  else if (request.url === '/ok') response.end('ok')
}

let service: TestUpstream
beforeAll(async () => {
  service = await startTestUpstream(answer)
})
afterAll(async () => {
  await service.close()
})

/** Resolves when no request is under way any more, and shows that the process which was started still answers. */
async function lives({ process, metrics }: GatewayOnFile, ask: () => Promise<number>): Promise<void> {
  while ((await metrics()).get('sallyport_requests_in_flight') !== 0);
  expect(await ask()).toBe(200)
  expect([process.child.exitCode, process.stderr()]).toEqual([null, ''])
}

describe.each(http2TransportsOfFile())(
  'a session of HTTP/2 over $name that ends while the gateway drains',
  ({ listen, ca }) => {
    let gateway: GatewayOnFile
    beforeAll(async () => {
      gateway = await startGatewayOnFile({
        listen,
        upstreams: { app: service.url },
        drain: { timeout: '1s' },
        routes,
      })
      await gateway.admin('/-/drain', 'POST')
    })
    afterAll(() => gateway.stop())

    async function uploading(): Promise<Http2Frames> {
      const client = await http2Frames(gateway.url, ca)
      const arrival = service.arrival()
      client.write(headers(1, requestFields('POST', '/held'), END_HEADERS), data(1, 'first'))
      await arrival
      return client
    }

    async function ask(): Promise<number> {
      const client = await http2Frames(gateway.url, ca)
      client.write(headers(1, requestFields('GET', '/ok')))
      const { status } = await client.ended(1)
      client.socket.destroy()
      return status
    }

    test.for<readonly [string, (client: Http2Frames) => void]>([
      ['a reset of its connection', client => client.cut()],
      ['a frame that breaks the protocol', client => client.write(data(0, 'x'))],
      [
        'a GOAWAY with an error',
        client => client.write(frame('goaway', 0, 0, Buffer.concat([uint32(0), uint32(CODES.internalError)]))),
      ],
    ])('by %s does not end the process', async ([, end]) => {
      const client = await uploading()
      end(client)
      await client.closed
      await lives(gateway, ask)
    })

    test('by drain.timeout leaves the exit code and the last line of the log as they are', async () => {
      gateway.process.child.kill('SIGTERM')
      await uploading()
      expect(await gateway.process.exited).toBe(0)
      expect(gateway.lines().map(({ msg }) => msg)).toContain('drain ran out of time')
      expect(gateway.lines().at(-1)).toMatchObject({ method: 'POST' })
      expect(gateway.process.stderr()).toBe('')
    })
  },
)

describe('a client of HTTP/1.1 that asks for a tunnel', () => {
  let gateway: GatewayOnFile
  beforeAll(async () => {
    gateway = await startGatewayOnFile({ listen: '127.0.0.1:0', upstreams: { app: service.url }, routes })
  })
  afterAll(() => gateway.stop())

  const connected = () => rawClient(Number(new URL(gateway.url).port))
  const head = (line: string, more = ''): string => `${line} HTTP/1.1\r\nHost: a\r\n${more}\r\n`

  async function ask(): Promise<number> {
    const client = connected()
    client.write(head('GET /ok', 'Connection: close\r\n'))
    const { text } = await client.closed
    return Number(text.split(' ')[1])
  }

  test.for([
    ['without a body', ''],
    ['with a body that is still to come', 'Content-Length: 5\r\n'],
    ['with a body of unknown length', 'Transfer-Encoding: chunked\r\n'],
  ] as const)('%s, and resets its connection, does not end the process', async ([, more]) => {
    const client = connected()
    client.socket.write(head('CONNECT a:1', more), () => client.socket.resetAndDestroy())
    await client.closed
    await lives(gateway, ask)
  })

  test.for([
    ['one that it does not get in one piece', ['/big']],
    ['one that is not answered', ['/held']],
    ['two that are not answered', ['/held', '/held']],
  ] as const)('behind other requests, %s, leaves nothing under way', async ([, paths]) => {
    const client = connected()
    client.write(paths.map(path => head(`GET ${path}`)).join('') + head('CONNECT a:1'))
    await client.closed
    await lives(gateway, ask)
  })
})
