/** The log holds no secret even when it is given one, and loses no line of a process that ends. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { closedLog, createLog, type Log } from '../../src/telemetry/log.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'

const LOG = new URL('../../src/telemetry/log.ts', import.meta.url).href
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SECRETS = { token: 's3cret', authorization: 's3cret', cookie: ['s3cret'], headers: { 'x-key': 's3cret' } }

function written(level: 'info' | 'error' = 'info') {
  const lines: string[] = []
  const log = createLog(level, { write: line => void lines.push(line) })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> }
}

const FOREIGN = ['evidence', 'err']

describe('the fence', () => {
  const censored = { token: '[redacted]', authorization: '[redacted]', cookie: '[redacted]', headers: '[redacted]' }

  test.each([
    ['any line', (log: Log) => log],
    ['a line with closed members', (log: Log) => closedLog(log, FOREIGN)],
  ])('keeps secrets out of what others put into %s', (_, of) => {
    const { log, lines, last } = written()
    of(log).info({ evidence: SECRETS }, 'a')
    expect(last()).toMatchObject({ evidence: censored, msg: 'a' })
    of(log).error({ err: Object.assign(new Error('b'), SECRETS) }, 'b')
    expect(last()).toMatchObject({ err: { message: 'b', ...censored } })
    expect(lines.join()).not.toContain('s3cret')
  })

  test('keeps secrets out of the members of any line', () => {
    const { log, last } = written()
    log.info(SECRETS)
    expect(last()).toMatchObject(censored)
  })

  test('shows how many headers there were', () => {
    const { log, last } = written()
    closedLog(log, FOREIGN).warn({ evidence: { headers: 120 } }, 'a')
    expect(last()).toMatchObject({ evidence: { headers: 120 } })
  })
})

test.each(['"', '\\', '\n{"level":"info"}\n', '\u0000\u007f\u2028', '\ud800', '","code":"ok', '__proto__'])(
  'a member that is %j is in its line as it is, and nothing else is',
  hostile => {
    const { log, lines, last } = written()
    closedLog(log, FOREIGN).info({ subject: hostile, path: hostile }, 'a')
    expect(last()).toMatchObject({ subject: hostile, path: hostile, msg: 'a' })
    expect(Object.keys(last())).toEqual(['level', 'time', 'subject', 'path', 'msg'])
    expect(lines.join('').match(/\n/g)).toHaveLength(1)
  },
)

test('a change of level holds for lines with closed members, too', () => {
  const { log, lines } = written('error')
  const closed = closedLog(log, FOREIGN)
  closed.info('a')
  log.level = 'info'
  closed.info('b')
  log.level = 'error'
  closed.info('c')
  expect(closed.isLevelEnabled('info')).toBe(false)
  expect(lines.map(line => JSON.parse(line).msg)).toEqual(['b'])
})

describe('standard output has every line of a process that', () => {
  test.each([
    ['comes to its end', '', 0],
    ['exits', 'process.exit(3)', 3],
    ['fails', 'throw new Error("bug")', 1],
    ['fails later', 'setImmediate(() => { throw new Error("bug") })', 1],
  ])('%s', (_, end, status) => {
    const program = `
      import { createLog, logDestination } from '${LOG}'
      const destination = logDestination()
      // As the command does.
      process.once('exit', () => destination.flushSync())
      const log = createLog('info', destination)
      for (let at = 0; at < 1000; at++) log.info({ at }, 'line')
      ${end}`
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT, encoding: 'utf8' })
    expect(run.status).toBe(status)
    const lines = run.stdout.split('\n').slice(0, -1)
    expect(lines.map(line => JSON.parse(line).at)).toEqual(Array.from({ length: 1000 }, (_, at) => at))
  })

  test('cannot write: it ends and says why, and does not try for ever', () => {
    const program = `
      import { createLog, logDestination } from '${LOG}'
      const destination = logDestination()
      process.once('exit', () => destination.flushSync())
      createLog('info', destination).info('lost')
      setInterval(() => {}, 1000)`
    const full = openSync('/dev/full', 'w')
    const args = ['--input-type=module', '-e', program]
    const stdio = ['ignore', full, 'pipe'] as const
    const run = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', stdio: [...stdio], timeout: 20_000 })
    closeSync(full)
    expect([run.status, run.signal]).toEqual([1, null])
    expect(run.stderr).toContain('ENOSPC')
  })

  test('is asked to end right after a request', async () => {
    const gateway = await startGatewayOnFile({
      providers: { main: { type: 'jwt', issuer: 'a', audiences: ['a'], keys: { jwksUri: 'http://127.0.0.1:1/' } } },
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    await fetch(`${gateway.url}/a`)
    gateway.process.child.kill('SIGTERM')
    await gateway.process.exited
    expect(gateway.lines()).toContainEqual(expect.objectContaining({ path: '/a', code: 'upstream_unreachable' }))
    await gateway.stop()
  })
})
