/** Tests what a file may say of `cors`: only what browsers send, take and act on. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

/** @param rest of the route `all` @param section of the file */
function written(rest: string, section: string | undefined): string {
  return `${SMALL.replace('/** }', `/**, ${rest} }`)}\n${section === undefined ? '' : `cors: ${section}\n`}`
}

function problems(rest: string, section?: string): readonly string[] {
  return problemsOf(written(rest, section)).map(line => line.replace(/^\d+:\d+ /, ''))
}

const PLAIN = 'access: required'

describe('an origin is accepted as browsers send it', () => {
  test.each([
    'https://app.example.com',
    'https://*.example.com',
    'https://app.example.com:8443',
    'https://*.example.com:8443',
    'http://localhost:5173',
    'http://127.0.0.1:5173',
    'http://[::1]:5173',
    'https://xn--bcher-kva.example',
    'chrome-extension://abcdefghijklmnop',
    'capacitor://localhost',
    '*',
  ])('%s', origin => {
    expect(load(written(PLAIN, `{ origins: ['${origin}'] }`)).cors?.origins).toEqual([origin])
  })
})

test.each([
  ['null', /^is what sandboxed pages of anybody send/],
  ['https://app.example.com/', /^has more than an origin; write `https:\/\/app\.example\.com`$/],
  ['https://app.example.com/app', /^has more than an origin; write `https:\/\/app\.example\.com`$/],
  ['https://app.example.com?x', /^has more than an origin; write `https:\/\/app\.example\.com`$/],
  ['app.example.com', /^is no origin; write one like `https:\/\/app\.example\.com`$/],
  ['//app.example.com', /^is no origin; write one like/],
  ['https://', /^is no origin; write one like/],
  ['https://me@app.example.com', /^has more than an origin; write `https:\/\/app\.example\.com`$/],
  ['https://me:pw@app.example.com/app', /^has more than an origin; write `https:\/\/app\.example\.com`$/],
  ['https://me@', /^is no origin; write one like/],
  ['https://app.example.com:*', /^has a `\*` for its port, which stands for none; list each origin with its port$/],
  ['https://*.example.com:*', /^has a `\*` for its port, which stands for none; list each origin with its port$/],
  ['https://APP.example.com', /^is never sent by a browser; write `https:\/\/app\.example\.com`$/],
  ['HTTPS://app.example.com', /^is never sent by a browser; write `https:\/\/app\.example\.com`$/],
  ['https://app.example.com:443', /^is never sent by a browser; write `https:\/\/app\.example\.com`$/],
  ['http://app.example.com:80', /^is never sent by a browser; write `http:\/\/app\.example\.com`$/],
  ['https://bücher.example', /^is never sent by a browser; write `https:\/\/xn--bcher-kva\.example`$/],
  ['https://*.Example.com', /^is never sent by a browser; write `https:\/\/\*\.example\.com`$/],
  ['https://*.example.com:443', /^is never sent by a browser; write `https:\/\/\*\.example\.com`$/],
  ['https://app.*.com', /^may have a `\*` only as its first label/],
  ['https://*.*.example.com', /^may have a `\*` only as its first label/],
  ['https://app*.example.com', /^may have a `\*` only as its first label/],
  ['https://*', /^may have a `\*` only as its first label/],
  ['https://*:8443', /^may have a `\*` only as its first label/],
  ['*://app.example.com', /^is no origin; write one like/],
  ['**', /^is no origin; write one like/],
])('the origin %s is refused', (origin, problem) => {
  const found = problems(PLAIN, `{ origins: ['${origin}'] }`)
  expect(found).toHaveLength(1)
  expect(found[0]?.replace(/^cors\.origins\[0\]: /, '')).toMatch(problem)
})

test.each([
  ['{}', /^cors\.origins: is missing$/],
  ['{ origins: [] }', /^cors\.origins: must not be empty/],
  ["{ origins: ['*'], maxAge: 25h }", /^cors\.maxAge: must be at most `24h`$/],
  ["{ origins: ['*'], headers: ['*'] }", /^cors\.headers\[0\]: does not cover `Authorization`; list the headers/],
  [
    "{ origins: ['*'], maxAge: 500ms }",
    /^cors\.maxAge: must be whole seconds, since browsers are told no part of one$/,
  ],
  ["{ origins: ['*'], exposeHeaders: ['*'] }", /^cors\.exposeHeaders\[0\]: shows every header of the service.*; list/],
  ["{ origins: ['*'], exposeHeaders: [x-request-id] }", /^cors\.exposeHeaders\[0\]: can be read .*; leave it out$/],
  ["{ origins: ['*'], exposeHeaders: [ETag, Expires] }", /^cors\.exposeHeaders\[1\]: can be read .*; leave it out$/],
  ['off', /^cors: must be a block of keys; for no page at all, leave it out$/],
  ['false', /^cors: must be a block of keys; for no page at all, leave it out$/],
  ['on', /^cors: must be a block of keys, not text$/],
  ["{ origins: ['*'], headers: ['a b'] }", /^cors\.headers\[0\]: is no header name/],
  ["{ origins: ['*'], headers: [''] }", /^cors\.headers\[0\]: is no header name/],
  ["{ origins: ['*', https://a.example] }", /^cors\.origins\[0\]: is any origin.*; leave out `\*`, or all the others$/],
  ["{ origins: [https://a.example, '*'] }", /^cors\.origins\[1\]: is any origin/],
  ["{ origins: ['*'], credentials: true }", /^cors\.credentials: cannot go with the origin `\*`.*; list the origins/],
  ["{ origins: ['*'], enforceOrigin: true }", /^cors\.enforceOrigin: refuses nobody while `origins` has `\*`; list/],
  ['{ origins: [https://a.example, https://a.example] }', /^cors\.origins\[1\]: is listed already; leave it out$/],
  ["{ origins: ['*'], headers: [X-A, x-a] }", /^cors\.headers\[1\]: is listed already; leave it out$/],
  ["{ origins: ['*'], exposeHeaders: [ETag, etag] }", /^cors\.exposeHeaders\[1\]: is listed already; leave it out$/],
  ["{ origins: ['*'], headers: [Cookie] }", /^cors\.headers\[0\]: is sent by browsers alone.*`credentials: true`$/],
  [
    "{ origins: ['*'], exposeHeaders: [Set-Cookie] }",
    /^cors\.exposeHeaders\[0\]: is shown to no page.*; leave it out$/,
  ],
])('cors: %s is refused', (section, problem) => {
  const found = problems(PLAIN, section)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(problem)
})

test.each(['Host', 'Origin', 'Content-Length', 'Sec-Fetch-Mode', 'Proxy-Authorization', 'Connection', 'TE'])(
  '%s is refused among the headers, since no page can send it',
  name => {
    expect(problems(PLAIN, `{ origins: ['*'], headers: [authorization, ${name}] }`)).toEqual([
      'cors.headers[1]: is set by browsers alone, and never by a page; leave it out',
    ])
  },
)

describe('the rules of a route', () => {
  test('are judged like those of the file', () => {
    expect(problems("cors: { origins: ['*'], credentials: true }")).toEqual([
      expect.stringMatching(/^routes\[0\]\.cors\.credentials: cannot go with the origin/),
    ])
  })

  test('can be `off` in place of those of the file', () => {
    const text = written('cors: off', '{ origins: [https://a.example] }').replace(
      '\ncors',
      '  - { id: b, path: /b }\ncors',
    )
    expect(load(text).routes[0]?.cors).toBe('off')
  })

  test('have nothing to be `off` without those of the file', () => {
    expect(problems('cors: off')).toEqual(['routes[0].cors: has no effect without the section `cors`; leave it out'])
  })

  test.each(['cors: off', "cors: { origins: ['*'] }"])('leave those of the file nobody if all are like "%s"', rest => {
    expect(problems(rest, '{ origins: [https://a.example] }')).toEqual([
      'cors: has no effect: every route has its own, or `off`; leave it out',
    ])
  })

  test('do not make those of the file useless while another route has a problem of its own', () => {
    const text = written('cors: off', '{ origins: [https://a.example] }').replace(
      '\ncors',
      '  - { id: b, path: b }\ncors',
    )
    expect(problemsOf(text)).toEqual([expect.stringContaining('routes[1].path: ')])
  })

  test('show the session of MCP by themselves, which those of the file do not', () => {
    const block = "{ origins: ['*'], exposeHeaders: [Mcp-Session-Id] }"
    expect(problems(`mcp: {}, cors: ${block}`)).toEqual([
      'routes[0].cors.exposeHeaders[0]: can be read by pages without being listed; leave it out',
    ])
    expect(load(written('access: required', block)).cors?.exposeHeaders).toEqual(['Mcp-Session-Id'])
  })

  test('may be `off` while those of the file are wrong or misspelled, which is the one problem', () => {
    expect(problems('cors: off', '{ origins: [null] }')).toHaveLength(1)
    expect(problemsOf(`${written('cors: off', undefined)}corz: { origins: [https://a.example] }\n`)).toEqual([
      expect.stringContaining('Did you mean "cors"?'),
    ])
  })

  test('cannot be another word', () => {
    expect(problems('cors: on', '{ origins: [https://a.example] }')).toEqual([
      'routes[0].cors: must be a block, or `off`',
    ])
  })
})
