/** What V8 has compiled, as the image keeps it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sallyport-cache-'))
const bundle = process.env.SALLYPORT_BUNDLE ?? ''
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('it is the same each time, and Node takes it for the user whom it is made for', () => {
  const user = process.getuid?.() ?? 0
  const [first, second] = ['first', 'second'].map(name => {
    const cache = join(folder, name)
    execFileSync(process.execPath, [join(ROOT, 'src/build/compile-cache.ts'), bundle, cache, String(user)])
    const [own = ''] = readdirSync(cache)
    expect(own).toMatch(new RegExp(`-${user}$`))
    const [file = ''] = readdirSync(join(cache, own))
    return readFileSync(join(cache, own, file))
  })
  expect(first?.byteLength).toBeGreaterThan(100_000)
  expect(second?.equals(first ?? Buffer.of())).toBe(true)
  const { stderr, stdout } = spawnSync(process.execPath, [bundle, '--version'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(folder, 'first'), NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
  })
  expect(stderr + stdout).toContain('was accepted')
})
