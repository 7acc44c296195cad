/** Tests what is wrong with `decide`, alone and together with the other sections. */
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { load, SMALL } from '../support.ts'

/** Without their places, none where the text is right. */
function problemsOf(text: string): readonly string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${pathText(path)}: ${message}`)
  }
}

function pathText(path: ReadonlyArray<string | number>): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('')
}

const DECIDE = 'decide: { listen: 127.0.0.1:8081, caller: nginx }'
const ONLY = SMALL.replace(/^listen: .*$/m, DECIDE).replace(/^upstreams:\n.*\n/m, '')

describe('a gateway that only decides', () => {
  test('needs neither `listen` nor `upstreams`, and trusts this machine alone', () => {
    const { listen, upstreams, decide } = load(ONLY)
    expect([listen, upstreams]).toEqual([undefined, {}])
    expect(decide).toEqual({
      listen: { address: { host: '127.0.0.1', port: 8081 } },
      caller: 'nginx',
      trustedProxies: ['127.0.0.0/8', '::1', 'unix:'],
    })
  })

  test('may have upstreams all the same, which routes have to name rightly', () => {
    const text = SMALL.replace(/^listen: .*$/m, DECIDE)
    expect(problemsOf(text)).toEqual([])
    expect(problemsOf(ONLY.replace('path: /**', 'path: /**, upstream: app'))).toEqual([
      'routes[0].upstream: names no upstream; add it to `upstreams`',
    ])
  })

  test.each([
    [
      'mcp: { tools: { search: {} } }, methods: [POST]',
      'routes[0].mcp.tools: is judged by bodies, which no decision for another proxy reads; add `listen`, and have the proxy forward this path to it',
    ],
    [
      'anonymous: login, providers: [main]',
      'routes[0].anonymous: sends people to log in, which no decision for another proxy does; add `listen`, and have the proxy forward this path to it',
    ],
  ])('has no route with %s', (members, problem) => {
    expect(problemsOf(ONLY.replace('path: /**', `path: /**, ${members}`))).toContain(problem)
    const both = SMALL.replace('path: /**', `path: /**, ${members}`).concat(`${DECIDE}\n`)
    expect(problemsOf(both)).not.toContain(problem)
  })
})

describe('`decide`', () => {
  const decide = (members: string) => `${SMALL}decide: { ${members} }\n`

  test.each([
    ['caller: nginx', 'decide.listen: is missing'],
    ['listen: 127.0.0.1:8081', 'decide.caller: is missing; write one of `nginx`, `caddy`, `traefik`, `envoy`'],
    [
      'listen: 127.0.0.1:8081, caller: ngnix',
      'decide.caller: must be one of `nginx`, `caddy`, `traefik`, `envoy`. Did you mean "nginx"?',
    ],
    ['listen: 127.0.0.1:8081, caller: 7', 'decide.caller: must be one of `nginx`, `caddy`, `traefik`, `envoy`.'],
    [
      'listen: 127.0.0.1:8081, caller: envoyGrpc',
      'decide.caller: is not there yet: write `envoy`, and let Envoy ask over HTTP (`http_service`)',
    ],
    [
      'listen: 127.0.0.1:8080, caller: nginx',
      'decide.listen: is the address of `listen`; give the listener of decisions one of its own',
    ],
    [
      'listen: { address: 127.0.0.1:8081, mode: "0600" }, caller: nginx',
      'decide.listen.mode: has no effect on a port; leave it out, or listen on `unix:/path`',
    ],
    [
      'listen: unix:/run/decide.sock, caller: nginx, trustedProxies: [10.0.0.0/8]',
      'decide.trustedProxies: refuses everybody who connects to the Unix socket; add `unix:`, or leave it out',
    ],
    [
      'listen: 127.0.0.1:8081, caller: nginx, trustedProxies: ["unix:"]',
      'decide.trustedProxies: refuses everybody who connects to the port; list the addresses of the proxy, or leave it out',
    ],
    [
      'listen: 127.0.0.1:8081, caller: nginx, trustedProxies: [nginx]',
      'decide.trustedProxies[0]: is neither an IP address, a CIDR range like `10.0.0.0/8`, nor `unix:`',
    ],
  ])('with %s is wrong', (members, problem) => {
    expect(problemsOf(decide(members))).toEqual([problem])
  })

  test('collides with the admin listener, and has one process', () => {
    const text = `${SMALL}${DECIDE}\nadmin: { listen: 127.0.0.1:8081 }\nworkers: 2\n`
    expect(problemsOf(text)).toEqual([
      'decide.listen: is the address of `admin.listen`; give the listener of decisions one of its own',
      'workers: share `listen` alone, and `decide` has one process; leave it out, or run `decide` in a gateway of its own',
    ])
  })

  test('may be asked over a Unix socket', () => {
    expect(problemsOf(decide('listen: unix:decide.sock, caller: envoy'))).toEqual([])
  })
})

test('nothing listens where neither `listen` nor `decide` is there', () => {
  expect(problemsOf(SMALL.replace(/^listen: .*\n/m, ''))).toEqual(['listen: is missing; write `listen: 0.0.0.0:8080`'])
})
