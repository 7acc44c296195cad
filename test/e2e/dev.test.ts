import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ANY_PORTS, DEMO_IS_UP, demoUrls, type ReceivedRequest } from '../support/gateway/demo.ts'
import { type RunningSallyport, sallyport } from '../support/gateway/running.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const started: RunningSallyport[] = []
function run(...args: Parameters<typeof sallyport>): RunningSallyport {
  const running = sallyport(...args)
  started.push(running)
  return running
}
async function stopAll(): Promise<void> {
  for (const { child, exited } of started.splice(0)) {
    child.kill('SIGTERM')
    await exited
  }
}

interface Reply {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Runs a printed line in a shell, as it is. */
async function paste(line: string): Promise<Reply> {
  const { stdout } = await promisify(execFile)('bash', ['-c', line])
  const [, status, head = '', body = ''] = /^HTTP\/1\.1 (\d{3}) (.*?)\r\n\r\n(.*)$/s.exec(stdout) ?? []
  return { status: Number(status), head, body }
}

function isListening(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve(false) : reject(error),
    )
  })
}

describe('the printed lines work pasted as they are', () => {
  let output: string
  const lines = new Map<string, string>()
  beforeAll(async () => {
    output = await run(['dev', ...ANY_PORTS]).printed(DEMO_IS_UP)
    for (const [, title = '', line = ''] of output.matchAll(/^# ([^:\n]+):.*\n(curl (?:.*\\\n)*.*)$/gm))
      lines.set(title, line)
  })
  afterAll(stopAll)

  const line = (title: string): string => {
    const found = lines.get(title)
    if (found === undefined) throw new Error(`no line "${title}" in:\n${output}`)
    return found
  }

  test('allowed: the service learns who called and does not get the token', async () => {
    const { status, body } = await paste(line('allowed'))
    expect(status).toBe(200)
    const { headers } = JSON.parse(body) as ReceivedRequest
    expect(headers).toMatchObject({
      'x-auth-subject': 'demo-service',
      'x-auth-client': 'demo-service',
      'x-auth-scope': 'orders:read',
      'x-auth-tenant': 'acme',
      'x-auth-roles': 'editor',
    })
    expect(headers).not.toHaveProperty('authorization')
  })

  test('no token: a challenge without an error', async () => {
    const { status, head, body } = await paste(line('no token'))
    expect(status).toBe(401)
    expect(head).toMatch(/^www-authenticate: Bearer realm="sallyport", scope="orders:read"\r?$/im)
    expect(JSON.parse(body)).toMatchObject({ status: 401, code: 'token_missing' })
  })

  test('missing scope: the challenge names what is missing', async () => {
    const { status, head, body } = await paste(line('missing scope'))
    expect(status).toBe(403)
    expect(head).toMatch(/^www-authenticate: Bearer .*error="insufficient_scope".*/im)
    expect(head).toContain('orders:write')
    expect(JSON.parse(body)).toMatchObject({ status: 403, code: 'scope_missing' })
  })

  test('with the scope it is allowed', async () => {
    const { status, body } = await paste(line('the same with the scope orders'))
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ method: 'DELETE', path: '/orders/42' })
  })

  test('forged identity header: the service sees the verified one only', async () => {
    const { status, body } = await paste(line('forged identity header'))
    expect(status).toBe(200)
    const { headers } = JSON.parse(body) as ReceivedRequest
    expect(headers['x-auth-subject']).toBe('demo-service')
    expect(body).not.toContain('root')
  })

  test('expired token: 401 says so', async () => {
    const { status, head, body } = await paste(line('expired token'))
    expect(status).toBe(401)
    expect(head).toMatch(/^www-authenticate: Bearer .*error="invalid_token"/im)
    expect(JSON.parse(body)).toMatchObject({ status: 401, code: 'token_expired' })
  })

  test('every line was tried', () => {
    expect(lines.size).toBe(6)
    expect(output.match(/^curl /gm)).toHaveLength(6)
  })

  test('no token is printed, no line is wider than a terminal, and none is JSON but those of the log', () => {
    expect(output).not.toContain('eyJ')
    const screen = output.split('\n').filter(each => !each.startsWith('{"level"') && !/https?:/.test(each))
    expect(screen.filter(each => each.length > 80)).toEqual([])
  })

  test('`--ask` prints a token that opens the door', async () => {
    const { issuer, gateway } = demoUrls(output)
    const asking = run(['dev', '--ask', 'reader', '--issuer-port', new URL(issuer).port])
    expect(await asking.exited).toBe(0)
    const { status } = await paste(`curl -i ${gateway}/orders/1 -H 'Authorization: Bearer ${asking.stdout().trim()}'`)
    expect(status).toBe(200)
  })

  test('the address for browsers comes before anything else to try', () => {
    const [shown = ''] = /^Open http:.*$/m.exec(output) ?? []
    expect(shown).toMatch(/^Open http:\/\/localhost:\d+\/ in a browser/)
    expect(new URL(shown.split(' ')[1] ?? '').port).toBe(new URL(demoUrls(output).gateway).port)
    expect(output.indexOf(shown)).toBeLessThan(
      output.indexOf(demoUrls(output).gateway, output.indexOf('Sallyport demo.')),
    )
  })

  test('the route table shows what is in force', () => {
    const text = output.replaceAll(/\s+/g, ' ')
    expect(text).toContain(' health GET /healthz public ')
    expect(text).toContain(' orders-read GET /orders/** required scopes orders:read ')
    expect(text).toContain(
      ' orders-write PUT DELETE /orders/:id required scopes orders:write; role editor or admin; email_verified = true; tenant = acme or globex ',
    )
    expect(text).toContain(' reports GET /reports/** report only scopes reports:read ')
  })

  test('a comment pasted into a shell that takes it for a command does no harm', () => {
    // An interactive zsh does: no quote may stay open, nothing may be a glob, a pipe or a second command.
    for (const comment of output.match(/^# .*$/gm) ?? []) expect(comment).toMatch(/^# [\w:,. -]+$/)
  })
})

describe('one process, one end', () => {
  afterEach(stopAll)

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s stops all of it at once, in the middle of a request, too',
    async signal => {
      const running = run(['dev', ...ANY_PORTS])
      const output = await running.printed(DEMO_IS_UP)
      const urls = Object.values(demoUrls(output))
      expect(await Promise.all(urls.map(isListening))).toEqual([true, true, true, true])
      const caller = connect(Number(new URL(demoUrls(output).gateway).port), '127.0.0.1')
      caller.on('error', () => {})
      await once(caller, 'connect')
      caller.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe')
      running.child.kill(signal)
      expect(await running.exited).toBe(0)
      expect(await Promise.all(urls.map(isListening))).toEqual([false, false, false, false])
      expect(running.stderr()).toBe('')
    },
  )

  test.each([
    ['--port', 'SALLYPORT_DEMO_PORT'],
    ['--admin-port', 'SALLYPORT_DEMO_ADMIN_PORT'],
    ['--issuer-port', 'SALLYPORT_DEMO_ISSUER_PORT'],
    ['--service-port', 'SALLYPORT_DEMO_SERVICE_PORT'],
  ])('a taken port is named with the way out: %s', async (option, variable) => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    const address = squatter.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const ports = ANY_PORTS.map((each, index) => (ANY_PORTS[index - 1] === option ? port : each))
    const running = run(['dev', ...ports])
    expect(await running.exited).toBe(1)
    expect(running.stderr()).toContain(`port ${port} `)
    expect(running.stderr()).toContain(`${option} N or ${variable}=N`)
    expect(running.stderr()).not.toMatch(/^\s+at /m)
    squatter.close()
  })

  test('ports come from the environment, too', async () => {
    const names = ['SALLYPORT_DEMO_PORT', 'SALLYPORT_DEMO_ADMIN_PORT', 'SALLYPORT_DEMO_ISSUER_PORT']
    const env = Object.fromEntries([...names, 'SALLYPORT_DEMO_SERVICE_PORT'].map(name => [name, '0']))
    const output = await run(['dev'], { env }).printed(DEMO_IS_UP)
    for (const url of Object.values(demoUrls(output)))
      expect(['8080', '9090', '4000', '3000']).not.toContain(new URL(url).port)
  })

  test.each([
    [['--port', 'http'], '"http" is no port'],
    [['--port', '65536'], '"65536" is no port'],
    [['--prot', '1'], 'dev has no option --prot. Did you mean "--port"?'],
    [['--prot', '1'], 'See sallyport dev --help.'],
    [['8080'], 'dev takes options only, and "8080" is none.'],
    [['http://127.0.0.1:3000'], 'Did you mean: sallyport dev --upstream http://127.0.0.1:3000'],
  ])('wrong usage %j is told so', async (args, message) => {
    const running = run(['dev', ...args])
    expect(await running.exited).toBe(2)
    expect(running.stderr()).toContain(message)
  })
})

test('the demo takes changes of the file over that it names', async () => {
  const running = run(['dev', ...ANY_PORTS])
  const [, file = ''] = /^ +configuration\s+(\S+)/m.exec(await running.printed(DEMO_IS_UP)) ?? []
  appendFileSync(file, '\ntokenCache: { entries: 7 }\n')
  expect(await running.printed(/reloaded|rejected/)).not.toContain('rejected')
  await stopAll()
  expect(existsSync(file)).toBe(false)
})

describe('a checkout that was made under umask 002', () => {
  let root: string
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'sallyport-checkout-'))
    for (const part of ['src', 'config', 'package.json'])
      cpSync(join(ROOT, part), join(root, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
    for (const name of ['demo.yaml', 'example.yaml']) chmodSync(join(root, 'config', name), 0o664)
  })
  afterAll(async () => {
    await stopAll()
    rmSync(root, { recursive: true })
  })

  test('runs the demo', async () => {
    await run(['dev', ...ANY_PORTS], { root }).printed(DEMO_IS_UP)
  })

  test('has configurations that `run` refuses, and says of each what to do about it', async () => {
    const running = run(['run', '-c', 'config/example.yaml'], { root })
    expect(await running.exited).toBe(2)
    expect(running.stderr()).toBe(
      'config/example.yaml: the file can be written by others (mode 0664); take that away with `chmod go-w`\n',
    )
  })
})
