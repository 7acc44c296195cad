/** An answer may be followed by the service's own trailers, but by nothing that frames, routes or ends at this hop. */
import { once } from 'node:events'
import { connect } from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { answering, type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'

const BODY = ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: x-sum', '', '5', 'hello', '0', ''].join('\r\n')
const PASSING = ['X-Sum: 1', 'x-many: a', 'x-many: b', 'Grpc-Status: 5', 'x-auth-subject: the service may say so']
const ENDING = [
  'content_length: 5',
  'Transfer-Encoding: chunked',
  'transfer_encoding: chunked',
  'Connection: x-sum',
  'Keep-Alive: timeout=1',
  'Upgrade: h2c',
  'TE: trailers',
  'Trailer: x-more',
  'Proxy-Authenticate: Basic',
  'Host: other.example',
  'Set-Cookie: a=1',
  'X-Request-Id: forged',
  'DPoP-Nonce: of the service',
]

describe.each(http2TransportsOfFile())('with $name', ({ listen, ca }) => {
  let service: RawUpstream
  let gateway: TestGateway
  beforeAll(async () => {
    service = await startRawUpstream(answering(`${[BODY + PASSING.join('\r\n'), ...ENDING].join('\r\n')}\r\n\r\n`))
    gateway = await startTestGateway({
      listen,
      upstreams: { app: service.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
  })
  afterAll(async () => {
    await gateway.close()
    await service.close()
  })

  test('over HTTP/2 they pass, but for those', async () => {
    const session = connect(gateway.url.replace('127.0.0.1', 'localhost'), { ca: ca ?? [] })
    try {
      const call = session.request({ ':path': '/x' })
      const [trailers] = await Promise.all([once(call, 'trailers'), call.resume()])
      expect(Object.fromEntries(Object.entries(trailers[0]))).toEqual({
        'x-sum': '1',
        'x-many': 'a, b',
        'grpc-status': '5',
        'x-auth-subject': 'the service may say so',
      })
    } finally {
      session.destroy()
    }
  })
})
