/** Tests `sallyport explain --caller`, which takes what a proxy asks, and shows what of it is believed. */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()
const config = files.write(
  'sallyport.yaml',
  textOf(
    '{ id: health, path: /healthz, access: public }',
    '{ id: orders, path: /orders/**, require: { scopes: [orders:read] } }',
    '{ id: tools, path: /mcp, mcp: { tools: { search: {} } } }',
  ),
)

async function explain(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', config])
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

const headers = (...lines: readonly string[]) => lines.flatMap(line => ['-H', line])
const NGINX = ['GET', '/decide', '--caller', 'nginx']
const ASKED = headers('X-Original-URI: /orders/1', 'X-Original-Method: PUT', 'X-Forwarded-Host: a.example')

describe('a question', () => {
  test('shows which headers were believed, and which forgeries were not', async () => {
    const forged = headers('X-Forwarded-Uri: /healthz', 'X_Original_URI: /healthz', 'X-Forwarded-For: 1.1.1.1, 2.2.2.2')
    const text = await explain(...NGINX, ...ASKED, ...forged, '--claims', '{ scope: orders:read }')
    expect(text).toMatch(/^PUT \/orders\/1: allow, forwarded by nginx\n/)
    const [, asked = ''] = text.split('Asked by nginx\n')
    expect(asked.split('\n').map(line => line.trim().replaceAll(/ {2,}/g, ' '))).toEqual([
      'target X-Original-URI: /orders/1',
      'method X-Original-Method: PUT',
      'host X-Forwarded-Host: a.example',
      'ignored X-Forwarded-Uri: /healthz',
      'ignored X_Original_URI: /healthz',
      'client X-Forwarded-For: 1.1.1.1, 2.2.2.2',
      '',
    ])
  })

  test('shows what a yes adds, and not what the proxy says of its client by itself', async () => {
    const text = await explain(...NGINX, ...ASKED, '--claims', '{ sub: alice, scope: orders:read }')
    const [, added = ''] = /Added to the request\n([\s\S]*?)\n\n/.exec(text) ?? []
    expect(added).toMatch(/X-Auth-Subject: alice/i)
    expect(added).not.toMatch(/forwarded|real-ip/i)
  })

  test('of Envoy is the request itself', async () => {
    const text = await explain('GET', '/decide/healthz', '--caller', 'envoy', ...headers('X-Original-URI: /orders/1'))
    expect(text).toContain('GET /healthz: allow, forwarded by envoy')
    expect(text).toMatch(/target +request line: GET \/healthz\n/)
    expect(text).toMatch(/ignored +X-Original-URI: \/orders\/1\n/)
  })

  test('is answered as the proxy hears it', async () => {
    const [unknown, ...rest] = ['/nowhere', ...ASKED.slice(2)]
    const given = [...NGINX, '-H', `X-Original-URI: ${unknown}`, ...rest]
    const { response, said, decision } = JSON.parse(await explain(...given, '--json')) as Record<string, unknown>
    expect([decision, response]).toEqual([
      'route_unknown',
      expect.objectContaining({
        status: 403,
        headers: expect.arrayContaining([{ name: 'x-sallyport-code', value: 'route_unknown' }]),
      }),
    ])
    expect(said).toContainEqual({ name: 'X-Original-URI', value: '/nowhere', as: 'target' })
  })

  test('about calls of tools gets no decision', async () => {
    const text = await explain('POST', '/decide/mcp', '--caller', 'envoy', '--claims', '{}')
    expect(text).toMatch(/^POST \/mcp: route_undecidable\n/)
  })

  test('that lacks a fact is refused, and says which', async () => {
    const text = await explain(...NGINX, ...headers('X-Forwarded-Uri: /orders/1'))
    expect(text).toMatch(/^request_malformed \(what: x-original-method, problem: is missing\)/)
    expect(text).toMatch(/ignored +X-Forwarded-Uri: \/orders\/1\n/)
    expect(JSON.parse(await explain(...NGINX, '--json'))).toMatchObject({ said: [], decision: 'request_malformed' })
  })
})

test('of a proxy that nobody knows, the known ones are named', async () => {
  const { code, stderr } = await runCommand(explainCommand, ['GET', '/decide', '--caller', 'apache', '-c', config])
  expect([code, stderr]).toEqual([2, '--caller is one of nginx, caddy, traefik, envoy'])
})

test('a gateway that only decides forwards nothing', async () => {
  const text = textOf('{ id: health, path: /healthz, access: public }')
  const only = files.write(
    'only.yaml',
    text
      .replace(/^listen:.*$/m, 'decide: { listen: 127.0.0.1:8081, caller: caddy }')
      .replace(/^upstreams:[^\n]*\n(?: .*\n)*/m, ''),
  )
  const { stdout } = await runCommand(explainCommand, ['GET', '/healthz', '-c', only])
  expect(stdout).toMatch(/^GET \/healthz: allow, forwarded by caddy\n/)
})
