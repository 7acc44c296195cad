/** Several processes put their decisions on record in one file, or on one standard output. */
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { configOf, startWorkers, until, WORKERS } from './support.ts'

type AuditRecord = Readonly<Record<string, unknown>>

const ROUTES = [
  { id: 'open', path: '/open/**', access: 'public' },
  { id: 'shut', path: '/shut/**', methods: ['POST'], access: 'public' },
]
const SOON = { timeout: 20_000, interval: 20 }
const WRITTEN = 'sallyport_audit_records_total{result="written"}'

/** Reads every line, and fails at one that is not whole. */
function recordsIn(text: string): readonly AuditRecord[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as AuditRecord)
    .filter(({ type }) => type === 'audit')
}

/** Sends so many requests, sixteen at a time, each with an id of its own. */
async function asked(url: string, name: string, count: number): Promise<void> {
  const dispatcher = new Agent({ connections: 16, pipelining: 1 })
  await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const path = at % 2 === 0 ? '/open/a' : '/shut/a'
      const { body } = await request(url + path, { dispatcher, headers: { 'x-request-id': `${name}-${at}` } })
      await body.dump()
    }),
  )
  await dispatcher.destroy()
}

const COUNT = 400

function idsOf(name: string): readonly string[] {
  return Array.from({ length: COUNT }, (_, at) => `${name}-${at}`).toSorted()
}

function recordedIds(records: readonly AuditRecord[], name: string): readonly string[] {
  return records
    .map(({ request_id }) => String(request_id))
    .filter(id => id.startsWith(`${name}-`))
    .toSorted()
}

test('each request has one record, in whole lines, whatever happens to the file and to a worker', async () => {
  const { gateway, upstream, pids } = await startWorkers({ routes: ROUTES, audit: { file: 'audit.jsonl' } })
  const { url } = gateway
  const file = join(gateway.folder, 'audit.jsonl')
  const moved = [join(gateway.folder, 'audit.1'), join(gateway.folder, 'audit.2')] as const
  await asked(url, 'first', COUNT)
  await expect.poll(async () => (await gateway.metrics()).get(WRITTEN), SOON).toBe(COUNT)

  renameSync(file, moved[0])
  await asked(url, 'renamed', COUNT)
  await expect.poll(async () => (await gateway.metrics()).get(WRITTEN), SOON).toBe(2 * COUNT)
  await until(() => existsSync(file), Boolean)

  renameSync(file, moved[1])
  gateway.process.child.kill('SIGHUP')
  await until(() => existsSync(file), Boolean)

  const [victim = 0] = await pids()
  await asked(url, 'killed', COUNT)
  process.kill(victim, 'SIGKILL')
  await gateway.logged({ msg: 'a worker took its place' })
  await asked(url, 'last', COUNT)

  // What waits for the file is written there, and what comes later stands among the lines of the log.
  gateway.write('sallyport.yaml', { ...configOf(upstream), routes: ROUTES, audit: { file: 'stdout' } })
  await gateway.logged({ msg: 'configuration reloaded', trigger: 'change' }, WORKERS)
  await asked(url, 'printed', COUNT)
  gateway.process.child.kill('SIGTERM')
  await gateway.process.exited

  const records = [...moved, file].flatMap(path => recordsIn(readFileSync(path, 'utf8')))
  for (const name of ['first', 'renamed', 'last']) expect(recordedIds(records, name)).toEqual(idsOf(name))
  // The one that was killed has taken what waited with it, and nothing is written twice.
  const ids = recordedIds(records, 'killed')
  expect(new Set(ids).size).toBe(ids.length)
  const decisions = records.map(({ decision, code }) => `${decision} ${code}`)
  expect(new Set(decisions)).toEqual(new Set(['allow ok', 'deny route_unknown']))
  expect(recordedIds(recordsIn(gateway.process.stdout()), 'printed')).toEqual(idsOf('printed'))
})
