/** Tests `--no-files`: a policy is judged without the files that exist only where the gateway runs. */
import { describe, expect, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import type { Command } from '../../src/cli/command.ts'
import { diffCommand } from '../../src/cli/diff.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const POD = `listen: { address: "127.0.0.1:0", tls: { certFile: /pod/c.pem, keyFile: /pod/k.pem, clientCaFile: /pod/ca.pem } }
providers:
  shared: { type: jwt, issuer: shared, audiences: [a], keys: { secretFile: /pod/secret } }
  listed: { type: jwt, issuer: listed, audiences: [a], keys: { jwksFile: /pod/jwks }, decryption: { keyFiles: [/pod/enc] } }
  asked:
    type: introspection
    issuer: https://opaque.example.com/
    audiences: [a]
    client: { auth: private_key_jwt, id: gateway, keyFile: /pod/client }
    caFile: /pod/ca.pem
  found:
    type: jwt
    issuer: https://auth.example.com/
    audiences: [a]
    keys: { caFile: /pod/ca.pem, bearerFile: /pod/token, cacheFile: /pod/cache }
egress: { proxy: https://127.0.0.1:3128, caFile: /pod/ca.pem, credentialsFile: /pod/credentials }
upstreams:
  app: { url: https://127.0.0.1:3000, tls: { caFile: /pod/ca.pem, certFile: /pod/c.pem, keyFile: /pod/k.pem } }
routes:
  - { id: all, path: /**, require: { scopes: [s] } }
`
const config = files.write('pod.yaml', POD)
const cases = files.write(
  'cases.yaml',
  'config: pod.yaml\ntests: [{ name: one, request: GET /, claims: { iss: shared, scope: s }, expect: allow }, { name: two, request: GET /, introspection: { active: false }, expect: token_inactive }]\n',
)

const COMMANDS: ReadonlyArray<readonly [string, Command, readonly string[]]> = [
  ['check', checkCommand, [config]],
  ['explain', explainCommand, ['GET', '/', '-c', config, '--claims', '{ iss: listed, scope: s }']],
  [
    'explain --introspection',
    explainCommand,
    ['GET', '/', '-c', config, '--introspection', '{ active: true, aud: a, scope: s }'],
  ],
  ['test', testCommand, [cases]],
  ['diff', diffCommand, [config, config]],
]

describe.each(COMMANDS)('%s', (_, command, args) => {
  test('reads the files that are named, and not with --no-files', async () => {
    expect(await runCommand(command, args)).toMatchObject({ code: 2 })
    expect(await runCommand(command, [...args, '--no-files'])).toMatchObject({ code: 0, stderr: '' })
  })
})

test('everything else is checked, keys in the configuration included', async () => {
  const wrong = files.write(
    'wrong.yaml',
    POD.replace('jwksFile: /pod/jwks', 'jwks: { keys: [{ kty: odd }] }').replace(
      'id: all',
      'id: all, providers: [nobody]',
    ),
  )
  const { code, stdout } = await runCommand(checkCommand, [wrong, '--no-files'])
  expect(code).toBe(2)
  expect(stdout).toContain('providers.listed.keys.jwks')
  expect(stdout).toContain('routes[0].providers')
  expect(stdout).toContain('2 errors')
})

test.each([
  ['check --online', checkCommand, [config, '--online', '--no-files'], '--online needs the files'],
  ['explain --token', explainCommand, ['GET', '/', '-c', config, '--token', 'x', '--no-files'], '--token needs keys'],
] as const)('%s needs them, and says so', async (_, command, args, message) => {
  expect(await runCommand(command, args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
})
