/** A service that leaves the body of a request unread cannot take it for a further request, which nobody has judged. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, request, type Stack } from '../support/raw.ts'
import { type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'

const SMUGGLED = 'GET /secret HTTP/1.1\r\nHost: app.example\r\n\r\n'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  /** Heads that the service has taken for requests, one list a connection. */
  const heads: string[][] = []
  let service: RawUpstream
  let stack: Stack
  beforeAll(async () => {
    service = await startRawUpstream(({ socket }) => {
      const executed: string[] = []
      heads.push(executed)
      let pending = ''
      socket.on('data', (text: string) => {
        pending += text
        for (let at = pending.indexOf('\r\n\r\n'); at !== -1; at = pending.indexOf('\r\n\r\n')) {
          const head = pending.slice(0, at).toLowerCase()
          pending = pending.slice(at + 4)
          executed.push(head)
          const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
          if (!head.includes('\r\nconnection: close')) socket.write(answer)
          else {
            socket.removeAllListeners('data').resume().end(answer)
            return
          }
        }
      })
    })
    stack = await startStack(() => ({
      upstreams: { app: service.url },
      routes: [{ id: 'public', path: '/public/**', access: 'public' }],
    }))
  })
  afterAll(async () => {
    await stack.close()
    await service.close()
  })

  /** @returns what the service executed for these requests, a list for each connection that got something */
  async function executed(...requests: readonly string[]): Promise<string[][]> {
    for (const list of heads) list.length = 0
    for (const each of requests) expect((await stack.exchange(each, each.split(' ')[0]))?.status).toBe(200)
    return heads.map(list => list.map(head => head.split('\r\n')[0] ?? '')).filter(list => list.length > 0)
  }

  const withBody = (method: string): string =>
    request(`${method} /public/x HTTP/1.1`, [`Content-Length: ${SMUGGLED.length}`], SMUGGLED)

  test.for(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PURGE'])('the body of %s is executed by nobody', async method => {
    const line = `${method.toLowerCase()} /public/x http/1.1`
    expect(await executed(get('/public/before'), withBody(method), get('/public/after'))).toEqual([
      ['get /public/before http/1.1', 'get /public/after http/1.1'],
      [line],
    ])
    const last = heads.at(-1)?.[0]
    expect(last?.match(/^connection: .*$/gm)).toEqual(['connection: close'])
  })

  test.for(['GET', 'OPTIONS', 'DELETE'])('%s with a length of 0 has no body and keeps its connection', async method => {
    const empty = request(`${method} /public/x HTTP/1.1`, ['Content-Length: 0'])
    const connections = heads.length
    const lists = await executed(get('/public/before'), empty, get('/public/after'))
    expect(lists.map(list => list.length)).toEqual([3])
    expect(heads.length).toBe(connections)
  })

  test('the body of a method that asks for one keeps its connection', async () => {
    const post = request('POST /public/x HTTP/1.1', ['Content-Length: 2'], 'hi')
    await executed(get('/public/before'))
    await executed(post)
    expect(heads.filter(list => list.length > 0)[0]?.[0]).toContain('\r\nconnection: keep-alive')
  })
})
