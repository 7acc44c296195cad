/** Tests which paths of the service `admin.appProbes` accepts, and with which words it refuses others. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

const withProbes = (probes: string, text = SMALL): string =>
  `${text}admin: { listen: 127.0.0.1:9090, appProbes: ${probes} }\n`
const TWO = SMALL.replace('routes:', '  other: http://127.0.0.1:3001\nroutes:').replace('/**', '/**, upstream: app')

describe('admin.appProbes', () => {
  test('a path, and a block that names its upstream', () => {
    expect(load(withProbes('[/healthz, { path: /, upstream: app }]')).admin?.appProbes).toEqual([
      { path: '/healthz' },
      { path: '/', upstream: 'app' },
    ])
  })

  test.each([
    ['[healthz]', 'a path starts with "/"'],
    ['["/health/:id"]', 'must be one path, without `:name` and `/**`'],
    ['["/health/**"]', 'must be one path, without `:name` and `/**`'],
    ['["/health?full=1"]', '"?" is not possible here'],
    ['["/a/../b"]', 'never matches'],
    ['["//evil.example/"]', 'never matches'],
    ['[/a b]', 'arrives as "a%20b"'],
    ['[]', 'must not be empty'],
    ['[/a, /b, /a]', 'admin.appProbes[2]: is listed already'],
    ['[{ path: /a, upstream: ap }]', 'names no upstream; there is app. Did you mean "app"?'],
    ['[{ path: /a, query: x }]', 'query'],
  ])('%s is refused: %s', (probes, message) => {
    expect(problemsOf(withProbes(probes)).join('\n')).toContain(message)
  })

  test('with two upstreams each probe names its own', () => {
    expect(problemsOf(withProbes('[/healthz]', TWO)).join('\n')).toContain(
      'admin.appProbes[0].upstream: is missing; write one of app, other',
    )
  })
})
