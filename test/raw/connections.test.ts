/** Connections are counted, and one that does not read holds up nobody but itself. */
import { describe, expect, test } from 'vitest'
import { get, startRawStack } from '../support/raw.ts'
import { type RecordingUpstream, startByteUpstream } from '../support/services/byte-upstream.ts'
import type { Wire } from '../support/wire.ts'

describe('the limit on connections', () => {
  test('connections over the limit are closed as they come, and the others served', async () => {
    const small = await startRawStack(() => ({ limits: { connections: 20 } }))
    try {
      const token = [`Authorization: Bearer ${small.token}`]
      const open: Wire[] = []
      for (let i = 0; i < 20; i++) {
        const wire = small.connect()
        wire.write(get('/private/x', token))
        expect((await wire.reply())?.status).toBe(200)
        open.push(wire)
      }
      const over = Array.from({ length: 50 }, () => small.connect())
      for (const wire of over) wire.write(get('/private/over', token))
      expect(await Promise.all(over.map(wire => wire.reply()))).toEqual(over.map(() => undefined))
      for (const wire of open) {
        wire.write(get('/private/y', token))
        expect((await wire.reply())?.status).toBe(200)
      }
      expect(small.upstream.bytes().toString('latin1')).not.toContain('/private/over')
      open[0]?.end()
      // The place is free as soon as the gateway has seen the end of that connection.
      let reply: unknown
      while (reply === undefined) reply = await small.exchange(get('/private/z', token))
      expect(small.gateway.child.exitCode).toBeNull()
    } finally {
      await small.close()
    }
  })
})

describe('a client that does not read', () => {
  test('stops the service from sending, instead of filling our memory', async () => {
    let sentBytes = 0
    const blocked = Promise.withResolvers<void>()
    const upstream: RecordingUpstream = await startByteUpstream(({ path, socket }) => {
      if (path !== '/public/endless') {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
        return
      }
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
      const block = Buffer.alloc(65_536, 'x')
      const more = (): void => {
        while (socket.write(block)) sentBytes += block.length
        sentBytes += block.length
        blocked.resolve()
      }
      socket.on('drain', more)
      more()
    })
    const slow = await startRawStack(() => ({ upstreams: { app: upstream.url } }), upstream)
    try {
      const wire = slow.connect()
      wire.socket.pause()
      wire.write(get('/public/endless'))
      await blocked.promise
      for (let i = 0; i < 200; i++) await slow.control()
      // Kernel buffers on both sides take a few megabytes.
      expect(sentBytes).toBeLessThan(32_000_000)
      wire.end()
      await slow.control()
    } finally {
      await slow.close()
    }
  })
})
