/**
 * Times what pages of other origins and calls of tools cost: a decision and the head of its answer with CORS, beside
 * both without it, and the judgement of calls of a small and of a large size.
 */
import { Buffer } from 'node:buffer'
import { decide } from '../../src/decide.ts'
import { putOwnLines } from '../../src/forward/own-lines.ts'
import { responseHeaders } from '../../src/forward/response-headers.ts'
import { callJudge } from '../../src/mcp/call-judge.ts'
import type { Policy } from '../../src/policy.ts'
import type { Principal, RequestFacts } from '../../src/types.ts'
import type { SigningKey } from '../http/tokens.ts'
import type { Case } from './harness.ts'
import { exchangeOf, factsOf, policyOf } from './subject.ts'

const ORIGIN = 'https://app.example.com'
const CORS = { origins: [ORIGIN, 'https://*.example.org'], exposeHeaders: ['etag'] }
const ANSWER = [
  ...['Content-Type', 'application/json', 'Date', 'Mon, 01 Jan 2024 00:00:00 GMT', 'Content-Length', '70'],
  ...['Cache-Control', 'no-cache', 'ETag', '"abc"', 'Vary', 'Accept-Encoding'],
]

/** @param heads of requests whose tokens are known */
export async function pageAndToolCases(
  keys: readonly SigningKey[],
  heads: ReadonlyArray<readonly string[]>,
): Promise<readonly Case[]> {
  const [without, withCors] = [policyOf(keys, 1), policyOf(keys, 1, { cors: CORS })]
  const pages = heads.map(head => [...head, 'Origin', ORIGIN])
  for (const policy of [without, withCors]) for (const head of pages) await answered(policy, head)
  const [principal] = await Promise.all([callerOf(without, pages[0] ?? [])])
  const preflight = {
    ...factsOf(['Host', 'orders.example', 'Origin', ORIGIN, 'Access-Control-Request-Method', 'GET']),
    method: 'OPTIONS',
  }
  return [
    {
      name: 'known token and CORS, beside the same without',
      run: at => answered(withCors, pages[at % pages.length] ?? []),
      beside: at => answered(without, pages[at % pages.length] ?? []),
    },
    { name: 'preflight', run: () => decided(withCors, preflight) },
    ...[400, 16_384].map(size => callCase(size, principal)),
  ]
}

async function callerOf(policy: Policy, head: readonly string[]): Promise<Principal | undefined> {
  const exchange = exchangeOf(policy, head)
  await decide(exchange.facts, policy, exchange.findings)
  return exchange.findings.principal
}

function answered(policy: Policy, head: readonly string[]): unknown {
  const exchange = exchangeOf(policy, head)
  const decision = decide(exchange.facts, policy, exchange.findings)
  if (decision instanceof Promise) return decision
  const lines = responseHeaders({ statusCode: 200, rawHeaders: ANSWER, requestId: 'r' })
  putOwnLines(lines, exchange)
  return lines
}

function decided(policy: Policy, facts: RequestFacts): unknown {
  return decide(facts, policy, exchangeOf(policy, facts.rawHeaders).findings)
}

function callCase(size: number, principal: Principal | undefined): Case {
  const judge = callJudge({
    tools: { 'orders.delete': { scopes: ['orders:write'] }, 'orders.*': {} },
    others: 'refuse',
    maxBytes: 1024 * 1024,
    routeScopes: { all: [], any: [] },
    onCall() {},
  })
  const facts = {
    ...factsOf(['Host', 'x', 'Content-Type', 'application/json', 'Mcp-Method', 'tools/call']),
    method: 'POST',
  }
  const words = Array.from({ length: size / 25 }, (_, at) => ({ id: at, text: 'some text' }))
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'orders.list', arguments: { words } } }
  const body = Buffer.from(JSON.stringify(call))
  return {
    name: `call of a tool, ${body.length} bytes`,
    run: () => judge.judge(body, facts, { principal, lacking: undefined }),
  }
}
