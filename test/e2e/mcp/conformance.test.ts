/**
 * Runs the suite of `@modelcontextprotocol/conformance` against a service, and against the gateway in front of it.
 *
 * All scenarios for servers are compared, those that are pending included. The suite has no way to send a token, so the
 * route is `optional`; its tools are judged all the same. The scenarios for clients, and with them all about OAuth, are
 * about somebody else.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { freePort } from '../../support/services/free-port.ts'
import { startEverythingService } from '../../support/services/mcp-everything.ts'
import type { McpHost } from '../../support/services/mcp-host.ts'

const SUITE = fileURLToPath(
  new URL('../../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url),
)

/** Scenarios, and how many checks of each pass without the gateway. */
const COMPARED = Object.freeze({
  'server-initialize': 1,
  'logging-set-level': 1,
  ping: 1,
  'completion-complete': 1,
  'tools-list': 1,
  'tools-call-simple-text': 1,
  'tools-call-image': 1,
  'tools-call-audio': 1,
  'tools-call-embedded-resource': 1,
  'tools-call-mixed-content': 1,
  'tools-call-with-logging': 1,
  'tools-call-error': 1,
  'tools-call-with-progress': 1,
  'tools-call-sampling': 1,
  'tools-call-elicitation': 1,
  'json-schema-2020-12': 4,
  'elicitation-sep1034-defaults': 5,
  'server-sse-polling': 0,
  'server-sse-multiple-streams': 2,
  'elicitation-sep1330-enums': 5,
  'resources-list': 1,
  'resources-read-text': 1,
  'resources-read-binary': 1,
  'resources-templates-read': 1,
  'resources-subscribe': 1,
  'resources-unsubscribe': 1,
  'prompts-list': 1,
  'prompts-get-simple': 1,
  'prompts-get-with-args': 1,
  'prompts-get-embedded-resource': 1,
  'prompts-get-with-image': 1,
})

/** It wants `Origin` or `Host` to be checked, which services of this SDK leave to others. */
const REBINDING = 'dns-rebinding-protection'

let service: McpHost
let stack: TestStack
beforeAll(async () => {
  service = await startEverythingService()
  const port = await freePort()
  stack = await startTestStack({
    listen: `127.0.0.1:${port}`,
    upstreams: { app: service.url },
    cors: { origins: [`http://127.0.0.1:${port}`], enforceOrigin: true },
    routes: [
      { id: 'mcp', path: '/mcp', access: 'optional', mcp: { tools: { 'test_*': {}, json_schema_2020_12_tool: {} } } },
    ],
  })
})
afterAll(async () => {
  await stack.close()
  await service.close()
})

test('a service conforms behind the gateway as much as it does without, and is safe from rebinding', async () => {
  const [without, behind] = await Promise.all([results(service.url), results(stack.url)])
  const wanted = Object.fromEntries(
    Object.entries(COMPARED).map(([scenario, passed]) => [scenario, { passed, failed: 0 }]),
  )
  expect(without).toEqual({ ...wanted, [REBINDING]: { passed: 1, failed: 1 } })
  expect(behind).toEqual({ ...wanted, [REBINDING]: { passed: 2, failed: 0 } })
})

interface Result {
  readonly passed: number
  readonly failed: number
}

async function results(url: string): Promise<Readonly<Record<string, Result>>> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-conformance-'))
  const args = ['server', '--url', `${url}/mcp`, '--suite', 'all', '--output-dir', folder]
  const suite = spawn(process.execPath, [SUITE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = () => suite.kill('SIGKILL')
  process.once('exit', kill)
  const output = await text(suite.stdout)
  process.off('exit', kill)
  rmSync(folder, { recursive: true, force: true })
  const lines = output.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed$/gm)
  return Object.fromEntries([...lines].map(([, name, ok, bad]) => [name, { passed: Number(ok), failed: Number(bad) }]))
}
