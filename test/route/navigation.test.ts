import { describe, expect, test } from 'vitest'
import { isNavigation } from '../../src/route/navigation.ts'

const TAB = ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document']
const PAGE = ['Accept', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8']

describe('a login may be begun', () => {
  test('by a browser that shows a page in a tab, from wherever it comes', () => {
    expect(asked(TAB)).toBe(true)
    expect(asked([...TAB, 'Sec-Fetch-Site', 'cross-site'])).toBe(true)
    expect(asked(['Sec-Fetch-Mode', 'navigate'])).toBe(true)
    expect(asked(TAB, 'GET', '2')).toBe(true)
  })

  test('by one that says nothing of the mode, but accepts a page', () => {
    expect(asked(PAGE)).toBe(true)
    expect(asked(['accept', '*/*', 'accept', 'Text/HTML;q=0.9'])).toBe(true)
  })
})

describe('a login is not begun', () => {
  test('by scripts and by what a page embeds', () => {
    for (const mode of ['cors', 'no-cors', 'same-origin', 'websocket', '', 'Navigate'])
      expect(asked([...PAGE, 'Sec-Fetch-Mode', mode]), mode).toBe(false)
    for (const destination of ['iframe', 'frame', 'embed', 'object', 'fencedframe', 'empty', 'image'])
      expect(asked([...PAGE, 'Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', destination]), destination).toBe(false)
    expect(asked([...PAGE, 'X-Requested-With', 'XMLHttpRequest'])).toBe(false)
    expect(asked(['Accept', '*/*'])).toBe(false)
    expect(asked(['Accept', 'application/json, x-text/html'])).toBe(false)
    expect(asked([])).toBe(false)
  })

  test('by any method but GET', () => {
    for (const method of ['POST', 'HEAD', 'OPTIONS', 'PUT', 'get']) expect(asked(TAB, method), method).toBe(false)
  })

  test('ahead of the user', () => {
    for (const value of ['prefetch', 'prefetch;prerender', 'Prefetch;anonymous-client-ip'])
      expect(asked([...TAB, 'Sec-Purpose', value]), value).toBe(false)
    expect(asked([...TAB, 'Purpose', 'prefetch'])).toBe(false)
    expect(asked([...PAGE, 'X-moz', 'prefetch'])).toBe(false)
  })

  test('by a WebSocket handshake', () => {
    expect(asked([...PAGE, 'Upgrade', 'websocket', 'Connection', 'Upgrade'])).toBe(false)
  })

  test('by a request that says something twice', () => {
    expect(asked([...TAB, 'sec-fetch-mode', 'navigate'])).toBe(false)
    expect(asked([...TAB, 'sec-fetch-dest', 'document'])).toBe(false)
  })
})

function asked(rawHeaders: readonly string[], method = 'GET', httpVersion = '1.1'): boolean {
  return isNavigation({ method, httpVersion, rawHeaders })
}
