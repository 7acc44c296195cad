/** An answer whose client reads slowly waits, and leaves nothing behind for each of its parts. */
import { expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway } from '../support/gateway/gateway.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'

test('an answer in tiny chunks waits with one listener, however many chunks came at once', async () => {
  const chunks = '1\r\nz\r\n'.repeat(100_000)
  const service = await startRawUpstream(connection => {
    connection.socket.once('data', () => {
      connection.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
    })
  })
  atEnd(() => service.close())
  const gateway = await startTestGateway({
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  atEnd(() => gateway.close())
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  atEnd(() => process.off('warning', note))
  const client = rawClient(Number(new URL(gateway.url).port))
  client.write('GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n')
  const { text } = await client.closed
  expect(text.split('\r\n\r\n')[1]?.match(/z/g)).toHaveLength(100_000)
  expect(warnings.map(({ name }) => name)).toEqual([])
})
