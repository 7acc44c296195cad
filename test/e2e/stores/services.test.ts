/** The stores that other tests start are what they say they are. */
import { execFileSync } from 'node:child_process'
import { connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { respClient } from '../../support/clients/resp-client.ts'
import { startStoreCluster } from '../../support/services/store-cluster.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startSentinels } from '../../support/services/store-sentinel.ts'
import { cutReplicas, eventually, startStoreServer } from '../../support/services/store-server.ts'

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

  test('has a replica, which can fall behind, and which sentinels promote', async () => {
    const { master, replica, promoted, stop, sentinels } = await startSentinels({ kind, sentinels: 3 })
    atEnd(stop)
    expect(sentinels).toHaveLength(3)
    await master.command('SET', 'early', '1')
    await master.command('WAIT', 1, 0)
    await cutReplicas(master)
    await master.command('SET', 'late', '1')
    await master.kill()
    await promoted(replica)
    expect(await replica.command('MGET', 'early', 'late')).toEqual(['1', null])
  })

  test('makes a cluster', async () => {
    const cluster = await startStoreCluster({ kind })
    atEnd(cluster.stop)
    for (const key of ['a', 'b', 'c', '{sallyport}:revocations'])
      expect(await cluster.command('SET', key, key)).toBe('OK')
    await eventually(async () => (await cluster.command('GET', 'a')) === 'a')
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
