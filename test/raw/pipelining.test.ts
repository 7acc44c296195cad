/**
 * Several requests on one connection keep their order and their own identity, and no body is ever read as a request.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, type RawStack, request, startRawStack } from '../support/raw.ts'

let stack: RawStack
beforeAll(async () => {
  stack = await startRawStack()
})
afterAll(() => stack.close())

const auth = (): string => `Authorization: Bearer ${stack.token}`
const post = (lines: readonly string[], body = ''): string =>
  request('POST /private/x HTTP/1.1', [auth(), ...lines], body)

describe('pipelined requests', () => {
  test('are answered in order, each by its own identity', async () => {
    const bob = await stack.issuer.mint({ sub: 'bob' })
    const connection = stack.connect()
    connection.write(
      [
        get('/private/1', [auth()]),
        get('/private/2', [`Authorization: Bearer ${bob}`]),
        get('/private/3'),
        get('/public/4', ['X-Auth-Subject: mallory']),
        get('/private/5', [auth()]),
      ].join(''),
    )
    const seen: string[] = []
    for (let i = 0; i < 5; i++) {
      const reply = await connection.reply()
      const { url, headers, code } = JSON.parse(reply?.body ?? '{}')
      seen.push(`${reply?.status} ${url ?? code} ${headers?.['x-auth-subject']}`)
    }
    connection.end()
    expect(seen).toEqual([
      '200 /private/1 alice',
      '200 /private/2 bob',
      '401 token_missing undefined',
      '200 /public/4 undefined',
      '200 /private/5 alice',
    ])
  })

  test('what follows a malformed request is never looked at', async () => {
    const reached = await stack.forwarded(async () => {
      const connection = stack.connect()
      connection.write(
        `${get('/private/first', [auth()])}${post(['Content-Length: 4', 'Content-Length: 5'])}${get('/private/smuggled', [auth()])}`,
      )
      await connection.closed
      await stack.control()
    })
    expect(reached).not.toContain('smuggled')
  })

  test('a body of a refused request is not read as a request', async () => {
    const smuggled = get('/private/smuggled', [auth()])
    const reached = await stack.forwarded(async () => {
      const connection = stack.connect()
      connection.write(request('POST /private/x HTTP/1.1', [`Content-Length: ${smuggled.length}`], smuggled))
      const reply = await connection.reply()
      expect(reply?.status).toBe(401)
      connection.write(get('/private/next', [auth()]))
      const next = await connection.reply()
      connection.end()
      // Either the connection is closed, or the body was read to its end.
      if (next !== undefined) expect(JSON.parse(next.body).url).toBe('/private/next')
      await stack.control()
    })
    expect(reached).not.toContain('smuggled')
  })

  test('a chunked body of a refused request is not read as a request', async () => {
    const smuggled = get('/private/smuggled', [auth()])
    const reached = await stack.forwarded(async () => {
      const connection = stack.connect()
      const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
      connection.write(request('POST /private/x HTTP/1.1', ['Transfer-Encoding: chunked'], chunk))
      const reply = await connection.reply()
      expect(reply?.status).toBe(401)
      connection.end()
      await stack.control()
    })
    expect(reached).not.toContain('smuggled')
  })
})

describe('Expect: 100-continue', () => {
  test('is not answered before the caller is known', async () => {
    const bytes = request('POST /private/x HTTP/1.1', ['Expect: 100-continue', 'Content-Length: 4'])
    const reply = await stack.refuses(bytes, 'token_missing')
    expect(reply.status).toBe(401)
  })

  test('is answered once he is', async () => {
    const connection = stack.connect()
    connection.write(post(['Expect: 100-continue', 'Content-Length: 4']))
    expect((await connection.reply())?.status).toBe(100)
    connection.write('abcd')
    expect((await connection.reply())?.status).toBe(200)
    connection.end()
  })

  test('does not travel upstream', async () => {
    const reached = await stack.forwarded(async () => {
      const connection = stack.connect()
      connection.write(post(['Expect: 100-continue', 'Content-Length: 4'], 'abcd'))
      await connection.reply()
      await connection.reply()
      connection.end()
    })
    expect(reached).not.toMatch(/expect/i)
  })
})
