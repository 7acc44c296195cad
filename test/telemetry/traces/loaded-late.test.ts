/**
 * OpenTelemetry's SDK takes several megabytes, so a gateway without traces never loads it. Its API, which holds
 * interfaces, comes with prom-client anyway.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { sallyport } from '../../support/gateway/running.ts'
import { startTraceCollector } from '../../support/services/trace-collector.ts'

const SHOW = `import { registerHooks } from 'node:module'
  registerHooks({ resolve(specifier, context, next) {
    if (/^@opentelemetry\\/(?!api$)/.test(specifier)) console.error('the SDK is loaded')
    return next(specifier, context)
  } })`

async function answered(config: Readonly<Record<string, unknown>>) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-late-traces-'))
  const file = join(folder, 'sallyport.yaml')
  const content = {
    listen: '127.0.0.1:0',
    drain: { timeout: '100ms' },
    upstreams: { app: 'http://127.0.0.1:1' },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
    ...config,
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(content))
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(SHOW)}`]
  const running = sallyport(['run', '-c', file], { nodeArgs })
  atEnd(async () => {
    running.child.kill('SIGKILL')
    await running.exited
    rmSync(folder, { recursive: true })
  })
  const [, url] = /"url":"([^"]+)"/.exec(await running.printed(/"listening"/)) ?? []
  expect((await fetch(`${url}/`)).status).toBe(502)
  return running
}

test('a gateway without traces does not load the SDK', async () => {
  const running = await answered({})
  running.child.kill('SIGTERM')
  await running.exited
  expect(running.stderr()).toBe('')
})

test('a gateway with traces loads it for the first spans, which it sends before it ends', async () => {
  const collector = await startTraceCollector()
  atEnd(collector.kill)
  const running = await answered({ traces: { endpoint: collector.url, sample: '100%' } })
  expect(running.stderr()).toBe('')
  running.child.kill('SIGTERM')
  expect(await running.exited).toBe(0)
  expect(running.stderr()).toContain('the SDK is loaded')
  expect(collector.spans.map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
    ['GET', 'upstream_unreachable'],
    ['GET /**', 'upstream_unreachable'],
  ])
})
