/**
 * A service that sends more, less or earlier than it should: nobody sees anything of another's answer, and a part of an
 * answer is never taken for the whole.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, request } from '../support/raw.ts'
import type { SeenHead } from '../support/services/byte-upstream.ts'
import { answerHonestly, MARK, type Misbehaving, refusal, startMisbehaving } from './misbehaving.ts'

let service: Misbehaving
beforeAll(async () => {
  service = await startMisbehaving()
})
afterAll(() => service.stack.close())

describe('more than was asked for', () => {
  const stolen = `HTTP/1.1 200 OK\r\nContent-Length: ${MARK.length}\r\nSet-Cookie: ${MARK}\r\n\r\n${MARK}`

  async function nobodyGets(path: string, method = 'GET'): Promise<void> {
    const connection = service.stack.connect()
    // It is pipelined behind, so that a stray answer has somebody to go to on this side, too.
    connection.write(request(`${method} ${path} HTTP/1.1`) + get('/public/next'))
    const first = await connection.reply(method)
    const next = await connection.reply()
    connection.end()
    expect(`${first?.head}${first?.body}`).not.toContain(MARK)
    expect(next === undefined ? '200 /public/next' : `${next.status} ${next.body}`).toBe('200 /public/next')
    for (let i = 0; i < 5; i++) await service.othersAreUntouched()
  }

  test('a second answer right behind the first goes to nobody', async () => {
    await nobodyGets(service.answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi${stolen}`))
  })

  test('a body to HEAD goes to nobody', async () => {
    await nobodyGets(service.answering(`HTTP/1.1 200 OK\r\nContent-Length: ${stolen.length}\r\n\r\n${stolen}`), 'HEAD')
  })

  test('a chunked body to HEAD goes to nobody', async () => {
    const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${stolen.length.toString(16)}\r\n${stolen}\r\n0\r\n\r\n`
    await nobodyGets(service.answering(chunked), 'HEAD')
  })

  test.for([204, 304])('a body to a %i goes to nobody', async status => {
    await nobodyGets(service.answering(`HTTP/1.1 ${status} X\r\nContent-Length: ${stolen.length}\r\n\r\n${stolen}`))
  })

  test('a body longer than its length goes to nobody', async () => {
    await nobodyGets(service.answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi${MARK.repeat(100)}`))
  })

  // What arrives only after the next request was written cannot be told from its answer (RFC 9112 §9.3); all that was
  // there before is noticed, and the connection carries no further request.
  test.for([
    ['a whole answer', stolen],
    ['the first byte of one', 'H'],
    ['nonsense', MARK],
  ] as const)('%s on an idle connection ends that connection', async ([, stray]) => {
    const { socket } = await new Promise<SeenHead>(resolve => {
      const path = service.behaving(seen => {
        answerHonestly(seen)
        resolve(seen)
      })
      service.stack.exchange(get(path))
    })
    const hungUp = once(socket, 'close')
    socket.write(stray)
    await hungUp
    await service.othersAreUntouched()
  })

  test('bytes behind the last chunk go to nobody', async () => {
    await nobodyGets(
      service.answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n${stolen}`),
    )
  })
})

describe('less than was promised', () => {
  const CUTS: Readonly<Record<string, string>> = {
    'a counted body': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhi',
    'a chunked body': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhi',
    'a chunked body between chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n',
  }
  test.for(Object.entries(CUTS))('%s that is cut is cut for the client, too', async ([, bytes]) => {
    for (const how of ['end', 'resetAndDestroy'] as const) {
      const reply = await service.stack.exchange(
        get(service.answering(bytes, ({ socket }) => setImmediate(() => socket[how]()))),
      )
      // A reset may overtake what was sent before it.
      expect(['200 cut', '502 upstream_unreachable', 'cut']).toContain(refusal(reply))
      await service.othersAreUntouched()
    }
  })

  test('a body that stops coming is cut', async () => {
    const reply = await service.stack.exchange(
      get(service.answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhi')),
    )
    expect([reply?.status, reply?.complete]).toEqual([200, false])
    await service.othersAreUntouched()
  })

  test('a head that stops coming is a 504', async () => {
    expect(refusal(await service.stack.exchange(get(service.answering('HTTP/1.1 200 OK\r\nX-A'))))).toBe(
      '504 upstream_timeout',
    )
    await service.othersAreUntouched()
  })

  test.for(['end', 'resetAndDestroy'] as const)('no head at all, only %s, is a 502', async how => {
    const path = service.behaving(({ socket }) => socket[how]())
    expect(refusal(await service.stack.exchange(get(path)))).toBe('502 upstream_unreachable')
    await service.othersAreUntouched()
  })

  test('chunks that make no sense are cut', async () => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    for (const chunks of [
      'xyz\r\nhi\r\n',
      '-1\r\n',
      'ffffffffffffffffff\r\nhi',
      '2\r\nhiX\r\n',
      '2;\0\r\nhi\r\n0\r\n\r\n',
    ]) {
      const reply = await service.stack.exchange(get(service.answering(head + chunks)))
      expect(reply?.complete === true && reply.status === 200 ? reply.body : 'cut').toBe('cut')
      await service.othersAreUntouched()
    }
  })
})

describe('an answer before the request is complete', () => {
  test('reaches the client, and the rest of the request reaches nobody else', async () => {
    const path = service.answering('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
    const connection = service.stack.connect()
    connection.write(request(`POST ${path} HTTP/1.1`, ['Content-Length: 100000'], 'the first bytes'))
    const reply = await connection.reply()
    expect(reply?.status).toBe(413)
    expect(reply?.headers.get('connection')).toBe('close')
    const reached = await service.stack.forwarded(async () => {
      connection.write(get('/public/smuggled'))
      await connection.closed
      await service.othersAreUntouched()
    })
    expect(reached).not.toContain('smuggled')
  })

  test('that is also cut off does no harm', async () => {
    const path = service.answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', ({ socket }) =>
      socket.resetAndDestroy(),
    )
    const connection = service.stack.connect()
    connection.write(request(`POST ${path} HTTP/1.1`, ['Transfer-Encoding: chunked'], `4\r\nabcd\r\n`))
    await connection.reply()
    connection.end()
    await service.othersAreUntouched()
  })
})

describe('a client that goes away', () => {
  test('takes its request with it, and no other', async () => {
    let cut: () => void = () => {}
    const wasCut = new Promise<void>(resolve => {
      cut = resolve
    })
    const path = service.behaving(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n')
      socket.on('close', () => cut())
    })
    const connection = service.stack.connect()
    connection.write(get(path))
    while (!connection.rest().includes('hi')) await new Promise(resolve => connection.socket.once('data', resolve))
    connection.socket.resetAndDestroy()
    await wasCut
    await service.othersAreUntouched()
  })
})
