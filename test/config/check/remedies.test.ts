/** Tests that the remedies of problems help: what they propose is accepted, and one slip is one problem. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

describe('a slip in a section is no problem of what refers to it', () => {
  const ROUTES = SMALL.replace(
    '  - { id: all, path: /** }',
    '  - { id: a, path: /a }\n  - { id: b, path: /b, upstream: app }',
  )

  test.each([
    [
      'a misspelled `upstreams`',
      ROUTES.replace('upstreams:', 'upstream:'),
      ['4:1 upstream: is not a known key. Did you mean "upstreams"?'],
    ],
    [
      '`upstreams` that is text',
      ROUTES.replace('upstreams:\n  app: ', 'upstreams: '),
      ['4:12 upstreams: must be a block of keys, not text; write `upstreams: { app: http://127.0.0.1:3000 }`'],
    ],
    [
      'a misspelled `providers`',
      ROUTES.replace('providers:', 'provider:'),
      ['2:1 provider: is not a known key. Did you mean "providers"?'],
    ],
    [
      '`providers` that is a list',
      ROUTES.replace('  main: {', '  - {'),
      [
        '3:3 providers: must be a block of keys, not a list; write `providers: { main: { type: jwt, issuer: …, audiences: […] } }`',
      ],
    ],
    [
      'a misspelled `upstreams` with probes',
      `${ROUTES.replace('upstreams:', 'Upstreams:')}admin: { listen: 127.0.0.1:1, appProbes: [/x] }\n`,
      ['4:1 Upstreams: is not a known key. Did you mean "upstreams"?'],
    ],
  ])('%s', (_, text, problems) => {
    expect(problemsOf(text)).toEqual(problems)
  })

  test('where the section is missing, it is', () => {
    expect(problemsOf(SMALL.replace('upstreams:\n  app: http://127.0.0.1:3000\n', ''))).toEqual([
      '5:5 routes[0].upstream: is missing; add one to `upstreams`',
    ])
  })
})

describe('a remedy does not lead to the next problem', () => {
  test.each([
    ['127.0.0.1:3100', 'http://127.0.0.1:3100'],
    ['app:3100', 'http://app:3100'],
    ['app.internal/api', 'http://app.internal'],
  ])('the upstream %s', (given, proposed) => {
    const [problem = ''] = problemsOf(SMALL.replace('http://127.0.0.1:3000', given))
    expect(problem).toBe(`5:8 upstreams.app: is no URL; write \`${proposed}\``)
    expect(load(SMALL.replace('http://127.0.0.1:3000', proposed)).upstreams.app?.url.origin).toBe(proposed)
  })

  test('the issuer auth.example.com', () => {
    expect(problemsOf(SMALL.replace('https://auth.example.com/', 'auth.example.com'))[0]).toContain(
      'is no URL; write `https://auth.example.com`, because',
    )
  })

  test.each([
    ['listen: 8080', ['1:9 listen: is no address to listen on; write `0.0.0.0:8080`']],
    [
      'listen: 127.0.0.1:8080\nadmin: { listen: 9090 }',
      ['2:18 admin.listen: is no address to listen on; write `0.0.0.0:9090`'],
    ],
  ])('%s', (line, problems) => {
    expect(problemsOf(SMALL.replace('listen: 127.0.0.1:8080', line))).toEqual(problems)
  })

  test.each([
    ['id: 7, path: /', ['7:11 routes[0].id: must be text, not a number; put it in quotes']],
    ['id: a, path: 7', ['7:20 routes[0].path: a path starts with "/"']],
    [
      'id: a, path: /, methods: get',
      [
        '7:32 routes[0].methods: must be a list, not text; put it in `[ ]`',
        '7:32 routes[0].methods: must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, in capitals. Did you mean "GET"?',
      ],
    ],
    ['id: a, path: /, methods: GET', ['7:32 routes[0].methods: must be a list, not text; put it in `[ ]`']],
    [
      'id: a, path: /, require: { scopes: [orders: read] }',
      [
        '7:43 routes[0].require.scopes[0]: must be text, not a block of keys: a colon with a blank after it makes a key; leave out the blank, or put the text in quotes',
      ],
    ],
  ])('%s', (route, problems) => {
    expect(problemsOf(SMALL.replace('id: all, path: /**', route))).toEqual(problems)
  })
})
