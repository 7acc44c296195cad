/** Tests `sallyport run` as a user calls it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sallyport } from '../support/gateway/running.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-run-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function configFile(text: string): string {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.yaml`)
  writeFileSync(file, text)
  return file
}

const URL_IN_LOG = /"url":"(http:[^"]+)"/

const OPEN = `
upstreams: { app: "http://127.0.0.1:1" }
routes: [{ id: all, path: /**, access: public }]
`

describe('sallyport run', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('listens until %s and then exits with 0', async signal => {
    const gateway = sallyport(['run', '-c', configFile(`listen: 127.0.0.1:0\n${OPEN}`)])
    const [, url] = URL_IN_LOG.exec(await gateway.printed(URL_IN_LOG)) ?? []
    expect((await fetch(`${url}/`)).status).toBe(502)
    gateway.child.kill(signal)
    expect(await gateway.exited).toBe(0)
    await expect(fetch(`${url}/`)).rejects.toThrow()
  })

  test('takes the file from SALLYPORT_CONFIG, else ./sallyport.yaml', async () => {
    const named = sallyport(['run'], { env: { SALLYPORT_CONFIG: join(folder, 'absent.yaml') } })
    expect(await named.exited).toBe(2)
    expect(named.stderr()).toContain('absent.yaml')
    const fallback = sallyport(['run'], { cwd: folder })
    expect(await fallback.exited).toBe(2)
    expect(fallback.stderr()).toContain('sallyport.yaml')
  })

  test('refuses a bad file with every problem at its place, and exits with 2 without listening', async () => {
    const file = configFile(
      `listen: 127.0.0.1:0
providers:
  main: { type: jwt, issuer: https://auth.example.com, audience: [x] }
upstreams: { app: "http://127.0.0.1:1" }
routes: [{ id: a, path: nowhere }]
`,
    )
    const gateway = sallyport(['run', '-c', file])
    expect(await gateway.exited).toBe(2)
    expect(gateway.stdout()).toBe('')
    expect(gateway.stderr()).toMatch(new RegExp(`${file}:3:\\d+ providers\\.main`))
    expect(gateway.stderr()).toContain('audiences')
    expect(gateway.stderr()).toMatch(new RegExp(`${file}:5:\\d+ routes\\[0\\]\\.path`))
  })

  test('says which address is taken and exits with 1', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const gateway = sallyport(['run', '-c', configFile(`listen: 127.0.0.1:${port}\n${OPEN}`)])
    expect(await gateway.exited).toBe(1)
    expect(gateway.stderr()).toContain(
      `\`listen\`: cannot listen on 127.0.0.1:${port}: something else listens there already (EADDRINUSE)`,
    )
    expect(gateway.stderr()).not.toContain('    at ')
    server.close()
  })

  test('explains wrong usage and exits with 2', async () => {
    const unknown = sallyport(['runn'])
    expect(await unknown.exited).toBe(2)
    expect(unknown.stderr()).toContain('there is no command "runn"')
    const option = sallyport(['run', '--configuration', 'x'])
    expect(await option.exited).toBe(2)
    expect(option.stderr()).toContain('--configuration')
    const help = sallyport(['run', '--help'])
    expect(await help.exited).toBe(0)
    expect(help.stdout()).toContain('Usage: sallyport run')
  })
})
