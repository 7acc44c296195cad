/**
 * Tests that a target is judged the same whichever listener it comes to: by the traffic listener itself, or by the one
 * that each proxy asks.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AskedStack, answerOf, CALLERS, codeOf, head, startAskedStack } from './support.ts'
import { ODD_TARGETS as TARGETS } from './targets.ts'

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
