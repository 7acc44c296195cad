/** The stores that other tests start are what they say they are. */
import { execFileSync } from 'node:child_process'
import { connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { respClient } from '../../support/clients/resp-client.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startStoreServer } from '../../support/services/store-server.ts'

describe.skipIf(process.env.WITHOUT_STORES === '1').for(STORE_KINDS)('%s', kind => {
  test('is what it is called, is empty after a restart on its port, and keeps what it is told to keep', async () => {
    for (const persistence of ['none', 'appendonly'] as const) {
      const store = await startStoreServer({ kind, persistence })
      atEnd(store.stop)
      expect(String(await store.command('INFO', 'server'))).toContain(
        kind === 'valkey' ? 'valkey_version:' : 'redis_version:7',
      )
      await store.command('SET', 'key', 'välue')
      expect(await store.command('GET', 'key')).toBe('välue')
      await store.kill()
      await expect(store.command('PING')).rejects.toThrow()
      await store.restart()
      expect(await store.command('GET', 'key')).toBe(persistence === 'none' ? null : 'välue')
      const outside = respClient({ port: store.port, host: '127.0.0.1' })
      atEnd(outside.close)
      expect(await outside.command('PING')).toBe('PONG')
      store.pause()
      const late = outside.command('PING')
      store.resume()
      expect(await late).toBe('PONG')
    }
  })

  test('asks for passwords, and has users who may do less', async () => {
    const store = await startStoreServer({ kind, password: 'secret', users: ['reader on >reader ~a:* -@all +get'] })
    atEnd(store.stop)
    const as = (...greeting: string[]) => {
      const client = respClient({ port: store.port, host: '127.0.0.1' }, greeting)
      atEnd(client.close)
      return client
    }
    await expect(as().command('GET', 'a:1')).rejects.toThrow('NOAUTH')
    expect(await as('AUTH', 'secret').command('GET', 'b:1')).toBe(null)
    expect(await as('AUTH', 'reader', 'reader').command('GET', 'a:1')).toBe(null)
    await expect(as('AUTH', 'reader', 'reader').command('GET', 'b:1')).rejects.toThrow('NOPERM')
  })
})

test.skipIf(process.env.WITHOUT_STORES === '1')('redis speaks TLS', async () => {
  const authority = testAuthority()
  atEnd(authority.remove)
  const store = await startStoreServer({ tls: { server: authority.issue('store', ['DNS:localhost']) } })
  atEnd(store.stop)
  const socket = connect({ port: store.port, host: 'localhost', ca: authority.cert })
  atEnd(() => socket.destroy())
  socket.write('PING\r\n')
  const answer = await new Promise<Buffer>((resolve, reject) => socket.once('data', resolve).once('error', reject))
  expect(answer.toString()).toBe('+PONG\r\n')
})

test.skipIf(process.env.WITHOUT_STORES === '1')('what was stopped is gone', async () => {
  const store = await startStoreServer()
  await store.stop()
  const listening = execFileSync('sh', [
    '-c',
    `cat /proc/net/tcp | grep -ci ":${store.port.toString(16)} 00000000:0000" || true`,
  ])
  expect(listening.toString().trim()).toBe('0')
})
