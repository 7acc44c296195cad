/** A status that HTTP/2 cannot carry, from a service of HTTP/1.1, must not end the process. */
import { afterAll, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { http2Client } from '../support/clients/http2-client.ts'
import { startTestStack } from '../support/gateway/gateway.ts'
import { answering, startRawUpstream } from '../support/services/raw-upstream.ts'

const authority = testAuthority()
afterAll(() => authority.remove())

test.each(['Content-Length: 2\r\n\r\nhi', 'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n'])(
  'is 502 for a client of HTTP/2',
  async rest => {
    const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
    const service = await startRawUpstream(answering(`HTTP/1.1 700 Odd\r\n${rest}`))
    const stack = await startTestStack({
      listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
      upstreams: { app: service.url },
    })
    const client = http2Client(stack.url, authority.cert)
    expect(await client.request('/public/a')).toMatchObject({ status: 502, complete: true })
    client.destroy()
    await stack.close()
    await service.close()
  },
)
