/** Windows and silence: a client that takes nothing, or sends nothing, costs its own stream and no memory. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import {
  data,
  END_HEADERS,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  SETTINGS,
  TYPES,
  windowUpdate,
} from '../support/clients/http2-frame-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const CHUNK = Buffer.alloc(64 * 1024, 'x')
const MiB = 1024 * 1024

describe.each(http2TransportsOfFile())('over $name', ({ listen, ca }) => {
  let sentBytes = 0
  let service: TestUpstream
  beforeAll(async () => {
    service = await startTestUpstream((request, response) => {
      if (request.url !== '/endless') {
        request.resume().on('end', () => response.end(request.url === '/small' ? 'y'.repeat(1_000) : 'answered'))
        return
      }
      const more = (): void => {
        do sentBytes += CHUNK.length
        while (response.write(CHUNK))
      }
      response.on('drain', more)
      more()
    })
  })
  afterAll(async () => {
    await service.close()
  })

  let gateway: TestGateway
  let frames: Http2Frames
  let other: Http2Client
  async function start(limits: Record<string, string>): Promise<void> {
    gateway = await startTestGateway({
      listen,
      upstreams: { app: service.url },
      limits: { headersTimeout: '1h', ...limits },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    other = http2Client(gateway.url, ca)
  }
  beforeEach(() => {
    sentBytes = 0
  })
  afterEach(async () => {
    expect((await other.request('/control')).body).toBe('answered')
    frames.socket.destroy()
    other.destroy()
    while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
    await gateway.close()
  })
  const window = (bytes: number) => http2Frames(gateway.url, ca, { [SETTINGS.initialWindowSize]: bytes })

  test('a client that never opens its window ends with limits.bodyIdleTimeout, on its stream alone', async () => {
    await start({ bodyIdleTimeout: '400ms' })
    frames = await window(0)
    frames.write(headers(1, requestFields('GET', '/endless')), headers(3, requestFields('GET', '/small')))
    expect(await frames.ended(1)).toMatchObject({ status: 200, body: '', how: 'reset' })
    await gateway.logged({ path: '/small', closed: 'stalled' })
    expect(sentBytes).toBeLessThan(16 * MiB)
    frames.write(headers(5, requestFields('GET', '/small')), windowUpdate(5, 1_000))
    expect(await frames.ended(5)).toMatchObject({ status: 200, how: 'whole' })
  })

  test('100 answers that nobody takes hold no more than their windows', async () => {
    await start({ bodyIdleTimeout: '1h' })
    frames = await window(0)
    for (let i = 0; i < 100; i++) frames.write(headers(1 + 2 * i, requestFields('GET', '/endless')))
    for (let i = 0; i < 100; i++) await frames.until(({ type, id }) => type === TYPES.headers && id === 1 + 2 * i)
    for (let i = 0; i < 50; i++) expect((await other.request('/control')).body).toBe('answered')
    // Kernel buffers between the service and us take most of it.
    expect(sentBytes).toBeLessThan(100 * 8 * MiB)
    const external = process.memoryUsage().arrayBuffers
    expect(external).toBeLessThan(200 * MiB)
  })

  test('an upload that stalls is a 408, and the connection goes on', async () => {
    await start({ bodyIdleTimeout: '300ms' })
    frames = await window(65_535)
    frames.write(headers(1, requestFields('POST', '/up'), END_HEADERS), data(1, 'part'))
    frames.write(headers(3, requestFields('GET', '/small')))
    expect(await frames.ended(3)).toMatchObject({ status: 200, how: 'whole' })
    const { status, body } = await frames.ended(1)
    expect([status, JSON.parse(body).code]).toEqual([408, 'request_timeout'])
    frames.write(headers(5, requestFields('GET', '/small')))
    expect(await frames.ended(5)).toMatchObject({ status: 200, how: 'whole' })
  })

  test('an upload is taken no faster than the service reads, and arrives whole', async () => {
    await start({})
    frames = await window(65_535)
    const call = other.open(requestHead('POST', '/up'), 'follows')
    for (let i = 0; i < 64; i++) call.stream.write(CHUNK)
    call.stream.end()
    expect(await call.ended).toMatchObject({ status: 200, body: 'answered', complete: true })
  })
})
