/** `explain` says of a path of the gateway's own that the gateway answers there, and asks nothing of the endpoint. */
import { expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()

const config = files.write(
  'sallyport.yaml',
  `${textOf('{ id: all, path: /** }').replace('audiences:', 'maxLifetime: 1h, audiences:')}\nrevocation:\n  keep: 24h\n  backchannelLogout: [{ provider: main, clientId: shop, path: /oauth/logout }]\n`,
)

test.each(['POST', 'GET'])('%s to an endpoint is answered by the gateway', async method => {
  const { stdout } = await runCommand(explainCommand, [method, '/oauth/logout', '-c', config])
  expect(stdout).toContain(`${method} /oauth/logout: answered by the gateway itself, and never forwarded`)
  expect(stdout).toContain('(revocation)  /oauth/logout  an endpoint of the gateway')
  expect(stdout).toMatch(/all +all methods +\/\*\* +is less specific than \/oauth\/logout/)
})
