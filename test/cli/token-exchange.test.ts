/** Tests what commands say of a token that is exchanged: where, and for whom. None of them has one issued. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { testAuthority } from '../support/certificates.ts'
import { runCommand } from '../support/gateway/command.ts'
import {
  CALLER_AUDIENCE,
  type ExchangeServer,
  SERVICE_AUDIENCE,
  startExchangeServer,
} from '../support/services/exchange-server.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import { folder } from '../tools/support.ts'

const files = folder()
let server: ExchangeServer
let upstream: TestUpstream
beforeAll(async () => {
  ;[server, upstream] = await Promise.all([startExchangeServer(testAuthority()), startTestUpstream()])
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

function fileOf(exchange: object = {}): string {
  const config = {
    listen: '127.0.0.1:8080',
    providers: {
      main: { type: 'jwt', issuer: server.issuer, audiences: [CALLER_AUDIENCE], keys: { caFile: server.caFile } },
    },
    upstreams: {
      app: {
        url: upstream.url,
        exchange: { provider: 'main', client: server.clients.secret, audience: SERVICE_AUDIENCE, ...exchange },
      },
    },
    routes: [{ id: 'all', path: '/**' }],
  }
  return files.write(`config-${JSON.stringify(exchange).length}.yaml`, JSON.stringify(config))
}

test('`explain` says where and for whom a token would be exchanged', async () => {
  const { stdout } = await runCommand(explainCommand, ['GET', '/x', '--claims', '{"sub":"alice"}', '-c', fileOf()])
  expect(stdout).toContain(`at the token endpoint of ${server.issuer}, for ${SERVICE_AUDIENCE}; nobody is asked here)`)
  expect(server.exchanges).toEqual([])
})

test('`check --online` finds that the client may exchange tokens, or why not', async () => {
  const online = async (exchange?: object) => {
    const { stdout, stderr } = await runCommand(checkCommand, ['--online', fileOf(exchange)])
    expect(stdout + stderr).not.toContain(server.secret)
    return stdout + stderr
  }
  expect(await online()).toMatch(/ok +upstream app: tokens can be exchanged at \S+\/token: it answers invalid_grant/)
  const unknown = files.write('other-secret', 'wrong\n')
  expect(await online({ client: { ...server.clients.secret, secretFile: unknown } })).toMatch(
    /failed +upstream app: .*invalid_client; it does not take our credentials/,
  )
  expect(upstream.seen).toEqual([])
})
