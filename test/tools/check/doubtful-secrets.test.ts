/** Tests what `check` says of files that are good as they are, but are not used as somebody may think. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { folder } from '../support.ts'

const files = folder()

const BEARER = 'auth: bearer, tokenFile: secret'
const BASIC = 'auth: basic, id: gateway, secretFile: secret'

/** Everything but `listen` and `routes`. */
const asking = (client: string) => [
  'providers:',
  `  opaque: { type: introspection, issuer: https://auth.example, audiences: [a], client: { ${client} } }`,
  'upstreams: { app: http://127.0.0.1:3000 }',
]
const exchanging = (client: string) => [
  'providers: { main: { type: jwt, issuer: https://auth.example, audiences: [a] } }',
  `upstreams: { app: { url: http://127.0.0.1:3000, exchange: { provider: main, client: { ${client} }, audience: b } } }`,
]

async function warningsOf(
  client: string,
  content: string,
  { mode = 0o600, args = [] as readonly string[], of = asking } = {},
) {
  files.write('secret', '')
  writeFileSync(join(files.path, 'secret'), content)
  chmodSync(join(files.path, 'secret'), mode)
  const lines = ['listen: 127.0.0.1:0', ...of(client), 'routes: [{ id: all, path: /** }]']
  files.write('sallyport.yaml', `${lines.join('\n')}\n`)
  const { stdout } = await runCommand(checkCommand, [join(files.path, 'sallyport.yaml'), '--json', ...args])
  expect(stdout).not.toContain('marked')
  const { errors, warnings } = JSON.parse(stdout)
  expect(errors).toEqual([])
  return warnings
}

test.each([
  ['marked', BASIC],
  ['marked\n', BASIC],
  ['marked\r\n', BASIC],
  ['marked marked\n', BASIC],
  [' marked\n\n', BEARER],
])('a secret with at most one line break at its end is fine: %j', async (content, client) => {
  expect(await warningsOf(client, content)).toEqual([])
})

test.each(['marked\n\n', 'marked \n', ' marked', '\tmarked', '\nmarked'])(
  'a secret with more around it is sent with that, which is probably a slip: %j',
  async content => {
    const warning = {
      code: 'secret-blanks',
      path: 'providers.opaque.client.secretFile',
      message:
        'has blanks or more than one line break around its secret, which are sent as part of it; if that is a slip, take them away',
    }
    expect(await warningsOf(BASIC, content)).toEqual([expect.objectContaining(warning)])
    expect(await warningsOf(BASIC, content, { args: ['--no-files'] })).toEqual([])
  },
)

test.each([
  [BASIC, 'secretFile'],
  [BEARER, 'tokenFile'],
])('a file that others may write is not read by the gateway: %s', async (client, key) => {
  const warning = {
    code: 'secret-writable',
    path: `providers.opaque.client.${key}`,
    message: 'can be written by others (mode 0666); take that away with `chmod go-w`, or the gateway does not read it',
  }
  expect(await warningsOf(client, 'marked\n', { mode: 0o666 })).toEqual([expect.objectContaining(warning)])
  expect(await warningsOf(client, 'marked\n', { mode: 0o666, args: ['--no-files'] })).toEqual([])
})

test('so is the secret by which tokens are exchanged', async () => {
  const path = 'upstreams.app.exchange.client.secretFile'
  const found = await warningsOf(BASIC, 'marked\n\n', { mode: 0o666, of: exchanging })
  expect(found.map(({ code, path }: { code: string; path: string }) => [code, path])).toEqual([
    ['secret-writable', path],
    ['secret-blanks', path],
  ])
  expect(await warningsOf(BASIC, 'marked\n', { of: exchanging })).toEqual([])
})

test('the keys of sessions are secrets, too, and others may not write them', async () => {
  files.write('secret', '')
  writeFileSync(join(files.path, 'secret'), 'marked\n')
  writeFileSync(join(files.path, 'new-key'), 'k'.repeat(32))
  writeFileSync(join(files.path, 'old-key'), 'k'.repeat(32))
  chmodSync(join(files.path, 'secret'), 0o600)
  chmodSync(join(files.path, 'new-key'), 0o600)
  chmodSync(join(files.path, 'old-key'), 0o622)
  const lines = [
    'listen: 127.0.0.1:0',
    'providers:',
    '  browser:',
    '    { type: session, issuer: https://auth.example, publicUrl: http://localhost:8080, principal: idToken,',
    `      scopes: [openid, offline_access], keyFiles: [new-key, old-key], client: { ${BASIC} } }`,
    'upstreams: { app: http://127.0.0.1:3000 }',
    'routes: [{ id: all, path: /**, providers: [browser] }]',
  ]
  files.write('sallyport.yaml', `${lines.join('\n')}\n`)
  const { stdout } = await runCommand(checkCommand, [join(files.path, 'sallyport.yaml'), '--json'])
  const { errors, warnings } = JSON.parse(stdout)
  expect(errors).toEqual([])
  expect(warnings).toEqual([
    expect.objectContaining({ code: 'secret-writable', path: 'providers.browser.keyFiles[1]' }),
  ])
})
