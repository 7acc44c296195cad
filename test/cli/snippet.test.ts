/** `sallyport snippet` prints the same text for the same file, quotes what it takes from it, and says what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { snippetCommand } from '../../src/cli/snippet.ts'
import { CALLERS } from '../../src/decision/callers.ts'
import { runCommand } from '../support/gateway/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-snippet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PLAIN = {
  decide: { listen: '127.0.0.1:8081', caller: 'nginx' },
  providers: { main: { type: 'jwt', issuer: 'https://auth.example.com/', audiences: ['https://orders.example.com'] } },
  routes: [{ id: 'all', path: '/**' }],
}

function printed(config: Readonly<Record<string, unknown>>, args: readonly string[] = [], name = 'sallyport.yaml') {
  const file = join(folder, name)
  writeFileSync(file, stringify({ ...PLAIN, ...config }))
  return runCommand(snippetCommand, [...args, '-c', file])
}

describe.each(CALLERS)('for %s', caller => {
  const decide = { listen: '0.0.0.0:8081', caller }

  test('it is the same each time, and asks where the gateway is', async () => {
    const first = await printed({ decide })
    expect(first).toEqual(await printed({ decide }, [caller]))
    expect([first.code, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toMatch(
      /^# .*\n# Made by "sallyport snippet" of sallyport\.yaml, configuration [0-9a-f]{12}\./,
    )
    expect(first.stdout).not.toContain(folder)
    expect(first.stdout).toMatch(/127\.0\.0\.1:8081|"127\.0\.0\.1", port_value: 8081/)
    expect(first.stdout.toLowerCase()).toMatch(/x-auth-subject|x\[\^a-z0-9\]auth\[\^a-z0-9\]subject/)
  })

  test('the name of the file stays within its comment', async () => {
    const { stdout } = await printed({ decide }, [], 'a\nevil on;.yaml')
    expect(stdout).toContain('of a?evil on;.yaml')
    expect(stdout).not.toMatch(/^evil/m)
  })
})

test('the token of our own, tokens in headers and names in conditions are known', async () => {
  const { stdout } = await printed({
    decide: { listen: 'unix:/run/a b/decide.sock', caller: 'envoy' },
    identity: { token: { header: 'X-Vouched', issuer: 'https://a.example/', audience: 'https://b.example' } },
    credentials: ['authorization', { header: 'X-Access-Token' }],
    routes: [{ id: 'all', path: '/**', require: { when: 'request.headers["x-plan"] == "gold"' } }],
  })
  expect(parse(stdout)).toHaveProperty('static_resources')
  for (const name of ['"x-vouched"', '"x-access-token"', '"x[^a-z0-9]plan"', '"/run/a b/decide.sock"'])
    expect(stdout).toContain(name)
})

test('the service is the only upstream, what --service says, or where services mostly listen', async () => {
  const upstreams = { app: 'http://[::1]:4000' }
  const listen = '127.0.0.1:1'
  expect((await printed({ listen, upstreams })).stdout).toContain('server [::1]:4000;')
  const several = { listen, upstreams: { ...upstreams, b: 'https://b.example' } }
  const routes = [{ id: 'all', path: '/**', upstream: 'app' }]
  const said = await printed({ ...several, routes }, ['--service', 'http://127.0.0.1:5000'])
  expect(said.stdout).toContain('server 127.0.0.1:5000;')
  expect((await printed({})).stdout).toContain('server 127.0.0.1:3000;')
})

test.each<readonly [string, Readonly<Record<string, unknown>>, readonly string[], RegExp]>([
  ['another proxy', {}, ['caddy'], /is asked by nginx .*write sallyport snippet nginx, or caller: caddy/],
  ['a proxy that nobody knows', {}, ['ngnix'], /"ngnix" is no proxy that can ask\. Did you mean "nginx"\?/],
  ['a file in its place', {}, ['other.yaml'], /Did you mean: sallyport snippet -c other\.yaml/],
  ['a service with a path', {}, ['--service', 'http://a/b'], /--service takes http:\/\/host:port/],
  ['a socket', {}, ['--listen', 'unix:/a'], /--listen takes a host and a port/],
  [
    'a file without `decide`',
    { decide: undefined, listen: '127.0.0.1:1', upstreams: { a: 'http://127.0.0.1:2' } },
    [],
    /add decide: /,
  ],
  [
    'Traefik on a socket',
    { decide: { listen: 'unix:/a', caller: 'traefik' } },
    [],
    /give `decide\.listen` a host and a port/,
  ],
  [
    'Traefik before a gateway on a socket, which has paths of its own',
    {
      decide: { listen: '127.0.0.1:8081', caller: 'traefik' },
      listen: 'unix:/a',
      upstreams: { app: 'http://127.0.0.1:2' },
      resources: { api: { url: 'https://app.example/' } },
      routes: [{ id: 'all', path: '/**', resource: 'api' }],
    },
    [],
    /give `listen` a host and a port/,
  ],
  [
    'a file with several upstreams',
    {
      listen: '127.0.0.1:1',
      upstreams: { app: 'http://127.0.0.1:2', bills: 'http://127.0.0.1:3' },
      routes: [{ id: 'all', path: '/**', upstream: 'app' }],
    },
    [],
    /has the upstreams app, bills; say .*: --service http:\/\/host:port/,
  ],
  ...['https://app.example', 'h2c://127.0.0.1:2', 'unix:/app.sock'].map(
    url =>
      [
        `a service at ${url}`,
        { listen: '127.0.0.1:1', upstreams: { app: url } },
        [],
        /the upstream app of .* is no http:\/\/host:port.*write --service http:\/\/host:port/,
      ] as const,
  ),
  [
    'a name that nginx has no variable for',
    { identity: { reserved: ['X.Tenant'] } },
    [],
    /no variable for the header X\.Tenant/,
  ],
])('%s is refused, with a remedy', async (_, config, args, message) => {
  const { code, stdout, stderr } = await printed(config, args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(message)
})
