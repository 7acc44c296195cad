/**
 * Tells what each step of a request costs on its own, in nanoseconds: `npm run bench:micro`.
 *
 * It is for finding what to look at. Whether that matters is for `npm run bench` to say: alone in
 * a loop everything is fast.
 */
import { createPublicKey, verify } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compactVerify } from 'jose'
import { refusalMemory } from '../../src/admin/refusal-memory.ts'
import { extractCredential } from '../../src/authenticate/extract.ts'
import { parseJwt } from '../../src/authenticate/jwt/parse-jwt.ts'
import type { PresentedToken } from '../../src/authenticate/verifier.ts'
import { decide } from '../../src/decide.ts'
import { checkHead } from '../../src/downstream/head.ts'
import { Denial } from '../../src/errors.ts'
import type { Exchange } from '../../src/exchange.ts'
import { responseHeaders } from '../../src/forward/response-headers.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import type { Policy } from '../../src/policy.ts'
import { accessRecord } from '../../src/telemetry/access.ts'
import { createLog } from '../../src/telemetry/log.ts'
import type { Principal } from '../../src/types.ts'
import { ALGORITHMS, type SigningKey, signingKeys, tokensFile, tokensOf } from '../http/tokens.ts'
import { spread } from '../lib/stats.ts'
import { markdown } from '../lib/table.ts'
import { auditCases } from './audit.ts'
import { conditionCases } from './conditions.ts'
import { type Case, type Effort, time } from './harness.ts'
import { limitCases } from './limits.ts'
import { opaqueAndEncryptedCases } from './opaque-and-encrypted.ts'
import { pageAndToolCases } from './pages-and-tools.ts'
import { proofCases } from './proofs.ts'
import { sessionCases } from './sessions.ts'
import { exchangeOf, factsOf, policyOf, rawHeadersWith, unscrapedMetrics, verifierOf } from './subject.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const effort: Effort = values.quick
  ? { warmUpMs: 200, sampleMs: 20, samples: 7 }
  : { warmUpMs: 1_000, sampleMs: 100, samples: 15 }

const keys = signingKeys()
const tokens = new Map<SigningKey, readonly string[]>()
for (const key of keys.values()) tokens.set(key, tokensOf(await tokensFile(key, 500)))
const chosen = (await cases()).filter(({ name }) => values.only === undefined || name.includes(values.only))
const timings = []
for (const each of chosen) {
  const timing = await time(each, effort)
  timings.push(timing)
  console.error(`${timing.name}: ${timing.nanoseconds.median.toFixed(0)} ns`)
}
const table = markdown({
  columns: ['', 'ns', '× beside'],
  rows: timings.map(({ name, nanoseconds, ratio }) => [
    name,
    spread(nanoseconds, 0),
    ratio === undefined ? '' : spread(ratio, 2),
  ]),
})
const text = `${table}\n\nMedians (lowest–highest) of ${effort.samples} samples. Node ${process.version}.\n`
console.log(`\n${text}`)
const folder = fileURLToPath(new URL('../results/', import.meta.url))
mkdirSync(folder, { recursive: true })
writeFileSync(`${folder}micro.md`, text)
writeFileSync(`${folder}micro.json`, `${JSON.stringify({ node: process.version, effort, timings }, null, 2)}\n`)
process.exit()

async function cases(): Promise<readonly Case[]> {
  const rs256 = keys.get('RS256')
  if (rs256 === undefined) throw new Error('no key')
  const warm = tokens.get(rs256) ?? []
  const heads = warm.map(rawHeadersWith)
  const head = (index: number): readonly string[] => heads[index % heads.length] as readonly string[]
  const [small, large] = [policyOf(keys.values(), 1), policyOf(keys.values(), 1000)]
  const [route] = small.routes
  if (route === undefined) throw new Error('no route')
  const logging: Policy = { ...small, accessLog: 'all' }
  const record = accessRecord(unscrapedMetrics(), createLog('info', { write: () => {} }), {
    ...systemClock,
    monotonicMs: () => 3,
  })
  const facts = factsOf(head(0))
  const decided = (policy: Policy, headers: readonly string[]): unknown => {
    const exchange = exchangeOf(policy, headers)
    return decide(exchange.facts, policy, exchange.findings)
  }
  const over = (policy: Policy, index: number): Exchange => {
    const exchange = exchangeOf(policy, head(index))
    exchange.findings.route = route
    exchange.findings.principal = principals[index % principals.length]
    exchange.upstreamStartedMs = 1
    exchange.upstreamEndedMs = 2
    return exchange
  }
  const principals: Principal[] = []
  const notes = { path: '/', responseLines: [], isPrivate: false }
  for (const token of warm) principals.push(await route.authenticate({ token, scheme: 'Bearer' }, facts, notes))
  for (const each of [small, large]) for (const headers of heads) await decided(each, headers)
  const refusals = refusalMemory({ entries: 200, subjects: 'hash', clock: systemClock, scheduler: systemScheduler })
  /** What a refusal was sent by is found out for its log line. */
  const sender = { client: '192.0.2.1', userAgent: undefined, traceId: undefined }
  const refused = principals.map((_, at) => {
    const exchange = over(small, at)
    const evidence = { requirement: 'scopes', missing: ['orders:write'] }
    exchange.denial = new Denial(at % 8 === 0 ? 'claim_forbidden' : 'scope_missing', { evidence })
    return exchange
  })
  const identityLines = small.identity.lines(principals[0] as Principal)
  const answer = ['Content-Type', 'application/json', 'Date', 'Mon, 01 Jan 2024 00:00:00 GMT', 'Content-Length', '70']
  const received = [...answer, 'Connection', 'keep-alive', 'Keep-Alive', 'timeout=5']
  return [
    {
      name: 'head check',
      run: at => checkHead(factsOf(head(at)), { maxHeaders: 100, maxHeadBytes: 16_384 }),
    },
    { name: 'match, 1 route', run: () => small.matcher.resolve('GET', '/orders/42?expand=items', 'orders.example') },
    { name: 'match, 1000 routes', run: at => large.matcher.resolve('GET', `/r/${at % 999}/42`, 'orders.example') },
    { name: 'extraction', run: at => extractCredential(head(at), { tokenBytes: 8192, takesProofs: false }) },
    {
      name: 'token cache hit',
      run: at => route.authenticate({ token: warm[at % warm.length] as string, scheme: 'Bearer' }, facts, notes),
    },
    { name: 'requirements', run: at => route.authorize(principals[at % principals.length] as Principal, facts, '/') },
    {
      name: 'identity lines, known caller',
      run: at => small.identity.lines(principals[at % principals.length] as Principal),
    },
    {
      name: 'identity lines, new caller',
      run: at => small.identity.lines({ ...(principals[at % principals.length] as Principal) }),
    },
    { name: 'decision, known token', run: at => decided(small, head(at)) },
    { name: 'decision, known token, 1000 routes', run: at => decided(large, head(at)) },
    {
      name: 'request headers',
      run: at =>
        route.requestHeaders({
          rawHeaders: head(at),
          host: 'orders.example',
          peer: { address: '127.0.0.1', protocol: 'http' },
          requestId: '3f0a52de-1b2c-4d5e-8f90-123456789abc',
          trace: undefined,
          identityLines,
        }),
    },
    { name: 'response headers', run: () => responseHeaders({ statusCode: 200, rawHeaders: received, requestId: 'r' }) },
    {
      name: 'metrics of a request',
      run: () =>
        route.metrics.observe({
          method: 'GET',
          code: 'ok',
          status: 200,
          durationSeconds: 0.003,
          overheadSeconds: 0.0004,
          upstreamSeconds: 0.0026,
        }),
    },
    {
      name: 'end of a request, access log off',
      run: at => record.ended(over(small, at)),
    },
    {
      name: 'end of a request, access log on',
      run: at => record.ended(over(logging, at)),
    },
    {
      name: 'a refusal remembered',
      run: at => refusals.ended(refused[at % refused.length] as Exchange, sender, 403),
    },
    ...auditCases(at => over(small, at)),
    { name: 'token parsed', run: at => parseJwt(warm[at % warm.length] as string) },
    ...ALGORITHMS.flatMap(algorithm => verifications(algorithm)),
    ...proofCases(warm[0] as string),
    ...(await opaqueAndEncryptedCases(rs256, warm)),
    ...conditionCases(principals, facts),
    ...limitCases(principals, facts),
    ...(await pageAndToolCases([...keys.values()], heads)),
    ...(await sessionCases()),
  ]
}

function presented(token: string): PresentedToken {
  return { token, jwt: parseJwt(token), wasEncrypted: false }
}

function verifications(algorithm: (typeof ALGORITHMS)[number]): readonly Case[] {
  const key = keys.get(algorithm)
  if (key === undefined) return []
  const list = tokens.get(key) ?? []
  const token = (index: number): string => list[index % list.length] as string
  const publicKey = createPublicKey(key.publicPem)
  const digest = algorithm === 'EdDSA' ? null : 'sha256'
  const verifier = verifierOf(key)
  return [
    { name: `${algorithm} token, whole verification`, run: at => verifier.verify(presented(token(at))) },
    { name: `${algorithm} by jose`, runAsync: at => compactVerify(token(at), publicKey, { algorithms: [algorithm] }) },
    {
      name: `${algorithm} by node:crypto`,
      run: at => {
        const text = token(at)
        const dot = text.lastIndexOf('.')
        const signature = Buffer.from(text.slice(dot + 1), 'base64url')
        return verify(digest, Buffer.from(text.slice(0, dot)), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
      },
    },
  ]
}
