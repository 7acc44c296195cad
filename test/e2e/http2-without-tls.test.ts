/** Clients that other people wrote begin with HTTP/2 on the port that speaks HTTP/1.1, too. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { curl, h2load, WITHOUT_HTTP_CLIENTS } from '../support/services/http-clients.ts'

const REQUESTS = 3_000

describe.skipIf(WITHOUT_HTTP_CLIENTS)('on one port', () => {
  let stack: TestStack
  let authorization: string
  beforeAll(async () => {
    stack = await startTestStack()
    authorization = `Authorization: Bearer ${await stack.issuer.mint({ sub: 'alice' })}`
  })
  afterAll(() => stack.close())

  test('curl with prior knowledge is answered in HTTP/2, by the same policy', async () => {
    const passed = await curl('--http2-prior-knowledge', '-H', authorization, `${stack.url}/private/x`)
    expect(passed).toMatch(/^HTTP\/2 200 [\s\S]*"x-auth-subject":"alice"/)
    expect(passed).toContain('"x-forwarded-proto":"http"')
    const refused = await curl('--http2-prior-knowledge', `${stack.url}/private/x`)
    expect(refused).toMatch(/^HTTP\/2 401 [\s\S]*token_missing/)
  })

  test('curl that only offers to switch to HTTP/2 is answered in HTTP/1.1, and nothing of the offer goes on', async () => {
    const passed = await curl('--http2', '-H', authorization, `${stack.url}/private/x`)
    expect(passed).toMatch(/^HTTP\/1\.1 200 [\s\S]*"x-auth-subject":"alice"/)
    expect(passed).not.toMatch(/101 Switching|^upgrade:|http2-settings|h2c/im)
  })

  test('curl that knows HTTP/1.1 alone is answered in that', async () => {
    expect(await curl('--http1.1', '-H', authorization, `${stack.url}/private/x`)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test.for([
    ['few connections with many requests each', ['-c', '8', '-m', '50']],
    ['many connections', ['-c', '300', '-m', '10']],
  ] as const)('h2load gets all its answers: %s', async ([, shape]) => {
    const said = await h2load('-n', `${REQUESTS}`, ...shape, '-H', authorization, `${stack.url}/private/x`)
    expect(said).toContain('Application protocol: h2c')
    expect(said).toContain(`status codes: ${REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx`)
    expect(said).toContain(`${REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout`)
    expect((await stack.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  })
})
