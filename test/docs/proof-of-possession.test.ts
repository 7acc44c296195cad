/** Holds the lines for proxies in `config/proof-of-possession.md` to the configurations with which tests start them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { testAuthority } from '../support/certificates.ts'
import type { TerminatorSite } from '../support/services/terminator.ts'
import { envoyCommand } from '../support/services/terminator-envoy.ts'
import { haproxyCommand } from '../support/services/terminator-haproxy.ts'
import { nginxCommand } from '../support/services/terminator-nginx.ts'
import { documentAt } from './markdown.ts'

const blocks = documentAt('config/proof-of-possession.md').blocks.filter(({ info }) => info === 'text')

const folder = mkdtempSync(join(tmpdir(), 'sallyport-proxies-'))
const authority = testAuthority()
afterAll(() => {
  authority.remove()
  rmSync(folder, { recursive: true, force: true })
})

const site: TerminatorSite = {
  port: 443,
  server: authority.issue('server', ['DNS:localhost']),
  upstream: { host: '127.0.0.1', port: 8080 },
  prefix: '/shop',
  nginxPath: 'exact',
  envoyDetails: ['cert'],
  envoyForwarding: 'SANITIZE_SET',
  onwards: 'HTTP/1.1',
  folder,
  configFile: join(folder, 'terminator.conf'),
}

/** The lines of the block that has this one, without those that are comments. */
function shownWith(line: string): readonly string[] {
  const [block, ...others] = blocks.filter(({ text }) => text.includes(line))
  if (block === undefined || others.length > 0) throw new Error(`no one block has ${line}`)
  return linesOf(block.text)
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n').map(line => line.trim())
  return lines.filter(line => line !== '' && !line.startsWith('#'))
}

describe('what is shown for nginx', () => {
  test('hands on certificates in lines that a test runs', () => {
    const tested = linesOf(nginxCommand({ ...site, prefix: '', nginxPath: 'normalised' }).config)
    expect(shownWith('$ssl_client_escaped_cert').filter(line => !tested.includes(line))).toEqual([])
  })

  test('strips a prefix in lines that a test runs', () => {
    const tested = linesOf(nginxCommand(site).config)
    const ofNginx = shownWith('$below_prefix { ').slice(0, 7)
    expect(ofNginx.filter(line => !tested.includes(line))).toEqual([])
    expect(ofNginx.at(-1)).toBe('}')
  })
})

describe('what is shown for HAProxy', () => {
  const tested = linesOf(haproxyCommand(site).config)

  test('hands on certificates in lines that a test runs, but for the line of `bind`', () => {
    const shown = shownWith('ssl_c_der').filter(line => !line.startsWith('bind '))
    expect(shown.length).toBeGreaterThan(2)
    expect(shown.filter(line => !tested.includes(line))).toEqual([])
    const [bind = ''] = tested.filter(line => line.startsWith('bind '))
    expect(bind).toContain(' verify optional ca-file ')
    expect(bind).toContain(' ca-ignore-err all crt-ignore-err all')
  })

  test('strips a prefix in lines that a test runs', () => {
    const shown = shownWith('replace-path').filter(line => line.startsWith('http-request '))
    expect(shown).toHaveLength(2)
    expect(shown.filter(line => !tested.includes(line))).toEqual([])
  })
})

describe('what is shown for Envoy', () => {
  const tested = envoyCommand(site).config.replaceAll(/\s+/g, '')

  test('hands on certificates in lines that a test runs', () => {
    const [block] = blocks.filter(({ text }) => text.includes('SANITIZE_SET'))
    const shown = parse(block?.text ?? '') as Readonly<Record<string, unknown>>
    expect(Object.keys(shown)).toHaveLength(4)
    // That which is tested has the certificate of the server in `common_tls_context`, before what is shown of it.
    for (const [name, value] of Object.entries(shown))
      expect(tested).toContain(
        JSON.stringify({ [name]: value })
          .slice(1, -1)
          .replace('"common_tls_context":{', ''),
      )
  })

  test('strips a prefix in lines that a test runs', () => {
    const [line = ''] = shownWith('prefix_rewrite').filter(each => each.includes('prefix_rewrite'))
    expect(tested).toContain(JSON.stringify(parse(line)))
  })
})
