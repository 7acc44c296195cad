/**
 * Tests that a target is judged the same whichever listener it comes to: by the traffic listener itself, or by the one
 * that each proxy asks.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AskedStack, answerOf, CALLERS, codeOf, head, startAskedStack } from './support.ts'

const ROUTES = [
  { id: 'public', path: '/public/**', access: 'public' },
  { id: 'private', path: '/private/**' },
  { id: 'semicolon', path: '/matrix/**', access: 'public', pathAllow: ['semicolon'] },
  { id: 'slash', path: '/packages/:name', access: 'public', pathAllow: ['encodedSlash'] },
  { id: 'empty', path: '/s3/**', access: 'public', pathAllow: ['emptySegment'] },
  { id: 'exact', path: '/exact', access: 'public' },
  { id: 'folder', path: '/folder/', access: 'public' },
  { id: 'admin', path: '/public/admin/**' },
]

/** No two servers agree on all of them. */
const TARGETS: readonly string[] = [
  ...['/', '/public', '/public/', '/public/a', '/public/a/', '/exact', '/exact/', '/exact?', '/exact?a=b#c', '/folder'],
  ...['/folder/', '/PUBLIC/a', '/public/admin', '/public/admin/a', '/public/ADMIN/a', '/public/%61dmin/a'],
  ...['/public/../private/a', '/public/./a', '/public/..', '/public/.', '/public/a/..', '/public/..;/private/a'],
  ...['/public/%2e%2e/private/a', '/public/%2E%2E%2Fprivate', '/public/..%2fprivate', '/public/%252e%252e/private'],
  ...['//public/a', '/public//a', '/public///admin/a', '/%2fpublic/a', '/public%2fa', '/public/a%2fb', '/public/a%5cb'],
  ...['/public\\a', '/public/a\\..\\private', '/public/a;b=c', '/public;a/b', '/matrix/a;b/c', '/matrix/..;/private'],
  ...['/packages/@a%2fb', '/packages/@a%2Fb', '/packages/a%2f..%2fb', '/packages/a%3fb', '/packages/a%23b', '/s3/a//b'],
  ...[
    '/s3//',
    '/s3/%2e/',
    '/public/%',
    '/public/%zz',
    '/public/%c0%af',
    '/public/%ff',
    '/public/%c3%a4',
    '/public/%00',
  ],
  ...['/public/%0a', '/public/%7e', '/public/~', '/public/a%20b', '/public/a+b', '/public/a#b', '/public/a%23b', '*'],
  ...['public/a', 'http://app.example/public/a', 'http://evil.example/public/a', 'https://app.example/private/a'],
  ...[
    'http://app.example',
    'http://u@app.example/public/a',
    'app.example:443',
    '/public/a?b=/../c',
    '/public/a??',
    '?',
  ],
  ...['/public/a?x=%', '/public/\u00e4', '/private/a?access=public', '/public/a&b', '/public/a|b', '/public/a`b', '/.'],
]

let traffic: AskedStack
beforeAll(async () => {
  traffic = await startAskedStack('nginx', { routes: ROUTES })
})
afterAll(() => traffic.close())

async function byTraffic(target: string): Promise<string> {
  const bytes = head(`GET ${target} HTTP/1.1`, ['Host: app.example', 'Connection: close'])
  const { status, body } = await answerOf(Number(new URL(traffic.url).port), bytes)
  return judged({ status, body })
}

/** What no request line can hold is refused by the parser, with the status that the reader of targets has. */
function judged(reply: Parameters<typeof codeOf>[0]): string {
  const code = codeOf(reply)
  return code === 'request_malformed' ? 'path_invalid' : code
}

test('there are more than sixty odd targets', () => {
  expect(new Set(TARGETS).size).toBeGreaterThan(60)
})

describe.each(CALLERS)('asked by %s', caller => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack(caller, { routes: ROUTES })
  })
  afterAll(() => stack.close())

  test('every target is judged as by the traffic listener, and nothing is forwarded', async () => {
    const expected: Record<string, string> = {}
    const seen: Record<string, string> = {}
    for (const target of TARGETS) {
      expected[target] = await byTraffic(target)
      seen[target] = judged(await stack.ask({ target }))
    }
    expect(seen).toEqual(expected)
    expect(stack.upstream.seen).toEqual([])
    expect(new Set(Object.values(seen))).toEqual(new Set(['ok', 'path_invalid', 'route_unknown', 'token_missing']))
  })
})
