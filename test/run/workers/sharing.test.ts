/** Several processes behind one listener look like one gateway. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { bearer, testProvider } from '../../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../../support/gateway/gateway-process.ts'
import { sallyport } from '../../support/gateway/running.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'
import { configOf, isRunning, OK, ROUTES, requests, serving, startWorkers, until, WORKERS } from './support.ts'

const COUNT = 40

/** @returns the inodes of the sockets that listen on a port, as proc(5) has them */
function listeningOn(port: number): readonly string[] {
  const [, ...lines] = readFileSync('/proc/net/tcp', 'utf8').trimEnd().split('\n')
  const own = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return lines
    .map(line => line.trim().split(/\s+/))
    .flatMap(([, local, , state, , , , , , inode]) => (local?.endsWith(own) && state === '0A' ? [String(inode)] : []))
}

function socketsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
    } catch {
      // It was closed meanwhile.
      return []
    }
  })
}

describe('one listener', () => {
  test('is served by all of them, and a scrape counts exactly what was asked', async () => {
    const { gateway, pids } = await startWorkers()
    expect(gateway.lines().filter(({ msg }) => msg === 'listening')).toEqual([
      expect.objectContaining({ url: gateway.url, admin: gateway.adminUrl, workers: WORKERS, routes: 1 }),
    ])
    expect(await requests(gateway.url, COUNT)).toEqual(Array(COUNT).fill(200))
    const metrics = await until(gateway.metrics, found => found.get(OK) === COUNT)
    expect(metrics.get('sallyport_request_duration_seconds_count{route="all"}')).toBe(COUNT)
    expect(metrics.get('sallyport_request_duration_seconds_bucket{le="+Inf",route="all"}')).toBe(COUNT)
    expect(metrics.get('sallyport_responses_total{route="all",status_class="2xx"}')).toBe(COUNT)
    expect(metrics.get('sallyport_requests_in_flight')).toBe(0)
    const running = await pids()
    expect(running).toHaveLength(WORKERS)
    await until(
      () => serving(gateway),
      found => running.every(pid => found.has(pid)),
    )
    expect(serving(gateway)).toEqual(new Set(running))
  })

  test('verifies tokens in each, and shows the keys of a worker that has none', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const { gateway } = await startWorkers({
      providers: { main: testProvider(issuer) },
      routes: [{ id: 'all', path: '/**' }],
    })
    await until(
      () => gateway.admin('/readyz'),
      ({ status }) => status === 200,
    )
    const dispatcher = new Agent()
    atEnd(() => dispatcher.destroy())
    const headers = bearer(await issuer.mint({}))
    let sent = 0
    for (; sent < 4 || serving(gateway).size < WORKERS; sent++) {
      const { statusCode, body } = await request(gateway.url, { dispatcher, reset: true, headers })
      await body.dump()
      expect(statusCode).toBe(200)
    }
    const metrics = await until(gateway.metrics, found => found.get(OK) === sent)
    const cache = (result: string) => metrics.get(`sallyport_token_cache_total{provider="main",result="${result}"}`)
    expect([cache('miss'), cache('hit')]).toEqual([WORKERS, sent - WORKERS])
    expect(metrics.get('sallyport_token_cache_entries')).toBe(WORKERS)
    expect(metrics.get('sallyport_jwks_keys{provider="main"}')).toBeGreaterThan(0)
    expect(metrics.get('sallyport_jwks_fetches_total{provider="main",result="ok"}')).toBe(WORKERS)
    expect([...metrics.keys()].filter(name => name.startsWith('sallyport_config_info'))).toHaveLength(1)
  })

  test('may be a Unix socket', async () => {
    const upstream = await startTestUpstream()
    atEnd(upstream.close)
    const gateway = await startGatewayOnFile(folder => ({ ...configOf(upstream), listen: `unix:${folder}/s.sock` }))
    atEnd(gateway.stop)
    const dispatcher = new Agent({ connect: { socketPath: gateway.url.slice('unix:'.length) } })
    atEnd(() => dispatcher.destroy())
    for (let sent = 0; sent < COUNT; sent++) {
      const { statusCode, body } = await request('http://gateway/', { dispatcher, reset: true })
      await body.dump()
      expect(statusCode).toBe(200)
    }
    await until(
      () => serving(gateway),
      ({ size }) => size === WORKERS,
    )
  })

  test('may be TLS', async () => {
    const authority = testAuthority()
    atEnd(() => authority.remove())
    const { certFile, keyFile } = authority.issue('gateway', ['IP:127.0.0.1'])
    const { gateway } = await startWorkers({ listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } } })
    const dispatcher = new Agent({ allowH2: false, connect: { ca: authority.cert } })
    atEnd(() => dispatcher.destroy())
    // The kernel chooses the worker.
    while (serving(gateway).size < WORKERS) {
      const { statusCode, body } = await request(gateway.url, { dispatcher, reset: true })
      await body.dump()
      expect(statusCode).toBe(200)
    }
  })

  test('has `limits.connections` in all: more are closed, and not passed around', async () => {
    const { gateway } = await startWorkers({ limits: { connections: WORKERS } })
    const { port } = new URL(gateway.url)
    const kept: Socket[] = []
    atEnd(() => kept.map(socket => socket.destroy()))
    /** @returns whether it was answered, and stays */
    const opened = async (): Promise<boolean> => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await new Promise(resolve => socket.once('data', resolve).once('close', resolve))
      if (!socket.destroyed) kept.push(socket)
      return !socket.destroyed
    }
    // The kernel chooses the worker, and each has its share.
    await until(opened, () => kept.length === WORKERS)
    for (let more = 0; more < 4 * WORKERS; more++) expect(await opened()).toBe(false)
    expect(kept.filter(socket => socket.closed)).toEqual([])
  })

  test('is listened on by each worker itself, so that none passes a connection on', async () => {
    const { gateway, pids } = await startWorkers()
    const { port } = new URL(gateway.url)
    const listeners = listeningOn(Number(port))
    expect(listeners).toHaveLength(WORKERS)
    const sockets = (await pids()).flatMap(socketsOf)
    for (const inode of listeners) expect(sockets).toContain(inode)
  })

  test('probes the service through a worker', async () => {
    const respond = (incoming: { url?: string | undefined }, response: import('node:http').ServerResponse) =>
      response.writeHead(incoming.url === '/healthz' ? 418 : 200).end()
    const { gateway } = await startWorkers(
      { admin: { listen: '127.0.0.1:0', appProbes: ['/healthz'] } },
      (incoming, response) => respond(incoming, response),
    )
    expect((await gateway.admin('/-/app/healthz')).status).toBe(418)
    expect((await gateway.admin('/-/app/other')).status).toBe(404)
  })
})

describe('a start', () => {
  test('with a port that is taken ends as one process would, and leaves nothing running', async () => {
    const taken = await startTestUpstream()
    atEnd(taken.close)
    const listen = new URL(taken.url).host
    const ends = async (workers: number) => {
      const running = startProcess({ listen, workers })
      const code = await running.exited
      return { code, stderr: running.stderr(), stdout: running.stdout() }
    }
    const alone = await ends(1)
    expect(alone).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('something else listens there already (EADDRINUSE)'),
    })
    expect(await ends(WORKERS)).toEqual(alone)
  })

  test('of two at the same time on one port leaves one', async () => {
    const { gateway: first } = await startWorkers()
    const port = new URL(first.url).port
    await first.stop()
    const two = [1, 2].map(() => startProcess({ listen: `127.0.0.1:${port}`, workers: WORKERS }))
    const [ended, other] = await Promise.race(
      two.map(async (running, at) => [await running.exited, two[1 - at] as (typeof two)[number]] as const),
    )
    expect(ended).toBe(1)
    await other.printed(/"listening"/)
    expect(listeningOn(Number(port))).toHaveLength(WORKERS)
  })

  test('with an admin port that is taken ends as one process would', async () => {
    const taken = await startTestUpstream()
    atEnd(taken.close)
    const admin = { listen: new URL(taken.url).host }
    const running = startProcess({ admin, workers: WORKERS })
    expect(await running.exited).toBe(1)
    expect(running.stderr()).toBe(
      `sallyport: \`admin.listen\`: cannot listen on ${admin.listen}: something else listens there already (EADDRINUSE)\n`,
    )
    expect(running.stdout()).toBe('')
  })

  test('with a bad configuration ends with 2 before there is any worker', async () => {
    const running = startProcess({ workers: WORKERS, routs: [] })
    expect(await running.exited).toBe(2)
    expect(running.stderr()).toContain('routs: is not a known key')
    expect(running.stderr().match(/routs: is not/g)).toHaveLength(1)
    expect(running.stdout()).toBe('')
  })

  test('with one worker starts no process and loads nothing for it', async () => {
    const show = `import { registerHooks } from 'node:module'
      const load = (url, context, next) => {
        if (url.includes('/src/run/workers/')) console.error(url.split('/').at(-1))
        return next(url, context)
      }
      registerHooks({ load })`
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(show)}`]
    const alone = startProcess({ workers: 1 }, nodeArgs)
    await alone.printed(/"listening"/)
    expect(children(alone.child.pid ?? 0)).toEqual([])
    alone.child.kill('SIGTERM')
    expect(await alone.exited).toBe(0)
    expect(alone.stderr()).toBe('messages.ts\n')
    const several = startProcess({ workers: WORKERS }, nodeArgs)
    await several.printed(/"listening"/)
    expect(several.stderr()).toContain('primary.ts')
  })

  test('with several starts as many, and they end with it', async () => {
    const { gateway, pids } = await startWorkers({ workers: 3 })
    const running = await pids()
    expect(children(gateway.process.child.pid ?? 0).toSorted()).toEqual(running.toSorted())
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toBe(0)
    expect(running.filter(isRunning)).toEqual([])
  })
})

function startProcess(config: Readonly<Record<string, unknown>>, nodeArgs: readonly string[] = []) {
  const content = { listen: '127.0.0.1:0', upstreams: { app: 'http://127.0.0.1:1' }, routes: ROUTES, ...config }
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-workers-'))
  const file = join(folder, 'sallyport.yaml')
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(content))
  const running = sallyport(['run', '-c', file], { nodeArgs })
  atEnd(async () => {
    running.child.kill('SIGKILL')
    await running.exited
    rmSync(folder, { recursive: true })
  })
  return running
}

/** Processes that it started and that still run. */
function children(pid: number): readonly number[] {
  const threads = readdirSync(`/proc/${pid}/task`)
  const texts = threads.map(thread => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'))
  return texts.flatMap(text => text.split(' ').filter(Boolean).map(Number))
}
