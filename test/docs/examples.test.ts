/** Tries what the documents show: configurations load, commands print, code reads what the gateway writes. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../src/config/read/load.ts'
import { readRevokedFile } from '../../src/config/read/revoked-file.ts'
import { ConfigError, Denial } from '../../src/errors.ts'
import { headerValue, joinedHeaderValue } from '../../src/identity/value-encoding.ts'
import { challenges } from '../../src/refusal/challenge.ts'
import { compileMatcher } from '../../src/route/match.ts'
import { SMALL } from '../config/support.ts'
import { testAuthority } from '../support/certificates.ts'
import { sallyport } from '../support/gateway/running.ts'
import { blocksOf, plain, tableOf } from './markdown.ts'

const CONFIG = new URL('../../config/', import.meta.url)

function blocks(info: string): readonly string[] {
  return blocksOf(info).map(({ text }) => text)
}

function load(text: string, file = 'readme.yaml', readFile?: (path: string) => Buffer) {
  return loadConfig({ text, file, env: {}, ...(readFile && { readFile }) })
}

describe('configurations', () => {
  const authority = testAuthority()
  const signingKeys = mkdtempSync(join(tmpdir(), 'sallyport-signing-'))
  afterAll(() => {
    authority.remove()
    rmSync(signingKeys, { recursive: true, force: true })
  })

  const REVOKED = 'revoked.yaml'
  const OF_TEAM = 'team-orders.yaml'

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(signingKeys, 'first.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })

  /** Files that Kubernetes mounts: a certificate or its private key where one is asked for, a secret elsewhere. */
  function mounted(path: string): Buffer {
    if (/\bteam\b.*\.yaml$/.test(path)) return readFileSync(new URL(OF_TEAM, CONFIG))
    if (path.endsWith(REVOKED)) return readFileSync(new URL(REVOKED, CONFIG))
    if (path.endsWith('.crt')) return Buffer.from(authority.cert)
    if (path.endsWith('.key')) return Buffer.from(authority.key)
    if (path.endsWith('.pem')) return Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    if (path.endsWith('.jwk')) return Buffer.from(JSON.stringify(privateKey.export({ format: 'jwk' })))
    return Buffer.from('a-secret-of-at-least-thirty-two-bytes')
  }

  test.each(blocksOf('yaml'))('whole one %# loads, in $document', ({ text }) => {
    expect(load(text).routes.length).toBeGreaterThan(0)
  })

  test.each(blocksOf('yaml fragment'))('fragment %# loads in its place, in $document', ({ text }) => {
    const here = text.replace('/etc/sallyport/signing', signingKeys)
    const { routes } = load(stringify({ ...parse(SMALL), ...parse(here) }), undefined, mounted)
    expect(routes.length).toBeGreaterThan(0)
  })

  test.each(blocksOf('yaml entries'))('entries %# are a file of revocations, in $document', ({ text }) => {
    expect(readRevokedFile(text)).toMatchObject({ problems: [] })
  })

  test('the walk shows config/example.yaml', () => {
    const [shown = ''] = blocks('yaml')
    expect(parse(shown)).toEqual(parse(readFileSync(new URL('example.yaml', CONFIG), 'utf8')))
  })

  const none = [REVOKED, OF_TEAM, 'compose.yaml']
  const whole = readdirSync(CONFIG).filter(name => name.endsWith('.yaml') && !none.includes(name))

  test.each(whole)('config/%s loads', name => {
    const text = readFileSync(new URL(name, CONFIG), 'utf8')
    expect(load(text, name, mounted).routes.length).toBeGreaterThan(0)
  })
})

describe('commands', () => {
  const sessions = blocks('console').map(text => text.split(/^\$ (.*)\n/))
  const shown = new Map(sessions.map(([, command = '', output = '']) => [command, output]))

  test.each([...shown].filter(([command]) => command.endsWith('--help')))(
    '%s prints what is shown',
    async (line, output) => {
      const [, ...args] = line.split(' ')
      const { exited, stdout } = sallyport(args)
      expect(await exited).toBe(0)
      expect(stdout()).toBe(output)
    },
  )

  test('readyz says why, as shown', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-readyz-'))
    const file = join(folder, 'sallyport.yaml')
    writeFileSync(
      file,
      `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
providers: { main: { type: jwt, issuer: "http://127.0.0.1:1", audiences: [a] } }
upstreams: { app: "http://127.0.0.1:1" }
routes: [{ id: all, path: /** }]
`,
    )
    const gateway = sallyport(['run', '-c', file])
    try {
      const log = await gateway.printed(/"to":"unavailable"/)
      const [, admin = ''] = /"admin":"([^"]+)"/.exec(log) ?? []
      const answer = await (await fetch(`${admin}/readyz`)).text()
      expect(`${answer.replaceAll(':1/', ':4000/')}\n`).toBe(shown.get('curl -s http://127.0.0.1:9090/readyz'))
    } finally {
      gateway.child.kill('SIGTERM')
      await gateway.exited
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('no output is shown that no test compares', () => {
    const compared =
      /--help$|^sallyport run -c bad|\/readyz$|^sallyport (?:check|explain|test) .*config\/|^sallyport inject |^git show /
    expect([...shown.keys()].filter(command => !compared.test(command))).toEqual([])
  })

  test('a bad file is reported as shown', () => {
    const [broken = ''] = blocks('yaml broken')
    const report = shown.get('sallyport run -c bad.yaml')
    expect(reportOf(broken)).toBe(report)
  })

  function reportOf(text: string): string {
    try {
      load(text, 'bad.yaml')
      return ''
    } catch (error) {
      if (error instanceof ConfigError) return `${error.message}\n`
      throw error
    }
  }
})

test('the refusal of the walk is what a client gets', () => {
  const [shown = ''] = blocks('http')
  expect(shown).toContain(
    `www-authenticate: ${challenges('scope_missing', { realm: 'sallyport', used: 'Bearer', route: { scope: 'orders:write', acrValues: undefined, maxAgeSeconds: undefined, proofAlgorithms: undefined, takesBearer: true, takesTokens: true, login: undefined, resourceMetadata: undefined } })[0]}`,
  )
})

describe('paths', () => {
  const [shown = ''] = blocks('yaml fragment').filter(text => text.includes('id: rest'))
  const { routes } = load(stringify({ ...parse(SMALL), ...parse(shown) }))
  const matcher = compileMatcher(
    routes.map(route => ({ ...route, methods: undefined, pathAllow: new Set(route.pathAllow) })),
  )

  test.each(tableOf('Request').rows)('%s is %s', (path = '', result = '') => {
    expect(resultOf(plain(path) ?? '')).toBe(plain(result))
  })

  function resultOf(path: string): unknown {
    try {
      return matcher.resolve('GET', path, 'orders.example').route.id
    } catch (error) {
      return error instanceof Denial ? error.evidence?.reason : error
    }
  }
})

describe('the code that reads identity headers', () => {
  let code: {
    claimText(value: string | undefined): string | undefined
    claimList(value: string | undefined, delimiter: string): string[]
  }
  beforeAll(async () => {
    const [source = ''] = blocks('ts')
    code = await import(`data:text/javascript,${encodeURIComponent(stripTypeScriptTypes(source))}`)
  })

  test.each(['alice', 'Zoë', '', ' alice ', "UTF-8''x", "utf-8''x", '100%', '%41', 'a,b', '😀\n'])(
    'takes %j back',
    claim => {
      expect(code.claimText(headerValue(claim))).toBe(claim)
      expect(code.claimList(joinedHeaderValue([claim, 'b,c', 'é'], ','), ',')).toEqual([claim, 'b,c', 'é'])
    },
  )

  test('tells a missing claim from an empty one', () => {
    expect(code.claimText(undefined)).toBeUndefined()
    expect(code.claimList(undefined, ' ')).toEqual([])
  })
})
