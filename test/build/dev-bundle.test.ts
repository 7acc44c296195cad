/** The demo of the bundle, far from any `node_modules` and from the files of the source. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ANY_PORTS, DEMO_IS_UP, demoUrls } from '../support/gateway/demo.ts'
import { sallyport } from '../support/gateway/running.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sallyport-dev-bundle-'))
const empty = join(folder, 'empty')
const bundle = join(folder, 'dist/sallyport.js')

beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, 'src/build/build.ts'), join(folder, 'dist')])
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  mkdirSync(empty)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('runs in an empty folder: tokens, the pages, and requests through the gateway', async () => {
  const running = sallyport(['dev', ...ANY_PORTS], { bundle, cwd: empty })
  const { gateway, issuer } = demoUrls(await running.printed(DEMO_IS_UP))
  const token = await (await fetch(`${issuer}/demo/tokens/reader`)).text()
  const reply = await fetch(`${gateway}/orders/1`, { headers: { authorization: `Bearer ${token}` } })
  expect(reply.status).toBe(200)
  expect(await reply.json()).toMatchObject({ headers: { 'x-auth-subject': 'demo-service' } })
  const page = await fetch(`${gateway}/goodbye`, { headers: { accept: 'text/html' } })
  expect(await page.text()).toContain('You are signed out')
  running.child.kill('SIGTERM')
  expect(await running.exited).toBe(0)
  expect(running.stderr()).toBe('')
})

test('is a file of its own, and nothing of it is in the bundle', () => {
  const [program = '', dev = ''] = [bundle, join(folder, 'dist/dev.js')].map(file => readFileSync(file, 'utf8'))
  const parts = ['rpInitiatedLogout', 'You are signed out']
  expect(parts.filter(part => dev.includes(part))).toEqual(parts)
  expect(parts.filter(part => program.includes(part))).toEqual([])
})

test('is not needed by anything else, and is missed with one sentence', async () => {
  rmSync(join(folder, 'dist/dev.js'))
  const running = sallyport(['dev', ...ANY_PORTS], { bundle, cwd: empty })
  expect(await running.exited).toBe(1)
  expect(running.stderr()).toMatch(/^sallyport: the embedded issuer is not here: .*\n$/)
})
