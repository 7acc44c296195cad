/** The client of the store takes 22 MB of memory, so a gateway without a store never loads it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { sallyport } from '../support/gateway/running.ts'

const SHOW = `import { registerHooks } from 'node:module'
  registerHooks({ resolve(specifier, context, next) {
    if (specifier.startsWith('@redis/client')) console.error('the client is loaded')
    return next(specifier, context)
  } })`

function start(config: Readonly<Record<string, unknown>>) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-late-client-'))
  const file = join(folder, 'sallyport.yaml')
  const provider = { type: 'jwt', issuer: 'https://auth.example.com/', audiences: ['a'], maxLifetime: '1h' }
  const content = {
    listen: '127.0.0.1:0',
    upstreams: { app: 'http://127.0.0.1:1' },
    providers: { main: { ...provider, keys: { jwksUri: 'https://127.0.0.1:1/' } } },
    routes: [{ id: 'all', path: '/**' }],
    ...config,
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(content))
  writeFileSync(join(folder, 'revoked.yaml'), '[]\n')
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(SHOW)}`]
  const running = sallyport(['run', '-c', file], { nodeArgs })
  atEnd(async () => {
    running.child.kill('SIGKILL')
    await running.exited
    rmSync(folder, { recursive: true })
  })
  return running
}

test('a gateway without a store does not load its client, with revocations from a file neither', async () => {
  const without = start({ revocation: { file: 'revoked.yaml' } })
  await without.printed(/"listening"/)
  expect(without.stderr()).toBe('')
})

test('a gateway with a store loads it, and listens all the same while the store is down', async () => {
  const store = { url: 'redis://127.0.0.1:1' }
  const running = start({ store, revocation: { whenStale: 'refuse', store: {} } })
  await running.printed(/"listening"/)
  await running.printed(/the store cannot be reached: nothing listens there \(ECONNREFUSED\)/)
  expect(running.stderr()).toContain('the client is loaded')
})
