/** The library that speaks with the store is loaded where a configuration reads a store, and nowhere else. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'

const STORE = { store: { url: 'redis://127.0.0.1:1' } }
const REVOKED = { revocation: { whenStale: 'refuse', store: {} } }
/** Tells on the standard error output what is asked for by the name of a package. */
const HOOK = `import { registerHooks } from 'node:module'
  import { writeSync } from 'node:fs'
  registerHooks({ resolve(specifier, context, next) {
    if (/^[@a-z]/.test(specifier)) writeSync(2, 'imports ' + specifier + '\\n')
    return next(specifier, context)
  } })`

async function started(sections: Readonly<Record<string, unknown>>) {
  const gateway = await startGatewayOnFile(
    folder => {
      writeFileSync(join(folder, 'revoked.yaml'), '[]\n')
      return {
        listen: '127.0.0.1:0',
        admin: { listen: '127.0.0.1:0' },
        providers: {
          main: {
            ...{ type: 'jwt', issuer: 'https://auth.example.com/', audiences: ['api'], maxLifetime: '1h' },
            keys: { jwksUri: 'http://127.0.0.1:1/jwks' },
          },
        },
        upstreams: { app: 'http://127.0.0.1:1' },
        routes: [{ id: 'all', path: '/**' }],
        ...sections,
      }
    },
    { env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(HOOK)}` } },
  )
  atEnd(gateway.stop)
  return gateway
}

test('with a store that is read', async () => {
  const gateway = await started({ ...STORE, ...REVOKED })
  await gateway.logged({ msg: 'the stream of revocations cannot be read' })
  expect(gateway.process.stderr()).toContain('imports @redis/client\n')
})

test.for([
  ['no store', {}],
  ['revocations out of a file alone', { revocation: { file: 'revoked.yaml' } }],
] as const)('not with %s', async ([_name, sections]) => {
  const gateway = await started(sections)
  expect((await gateway.admin('/-/status')).status).toBe(200)
  expect(gateway.process.stderr()).toContain('imports fastify\n')
  expect(gateway.process.stderr()).not.toContain('redis')
})
