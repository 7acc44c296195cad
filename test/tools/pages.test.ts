/** Tests what `sallyport explain` and `sallyport test` show of preflights, and of requests that pages send. */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const APP = 'https://app.example.com'
const EVIL = 'https://app.example.com.evil.example'
const config = files.write(
  'sallyport.yaml',
  `${textOf(
    '{ id: read, path: /orders, methods: [GET], cors: off }',
    '{ id: write, path: /orders, methods: [PUT, DELETE], require: { scopes: [orders:write] } }',
    `{ id: strict, path: /strict, cors: { origins: [${APP}], enforceOrigin: true } }`,
    `{ id: tried, path: /tried, mode: report, cors: { origins: [${APP}], enforceOrigin: true } }`,
    '{ id: any, path: /any, access: public, cors: { origins: ["*"] } }',
    '{ id: plain, path: /plain, access: public, cors: off }',
    '{ id: patched, path: /patched, methods: [PATCH], access: public }',
  )}cors: { origins: [${APP}, "https://*.shop.example"] }\n`,
)

async function explain(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', config])
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

async function explained(...args: readonly string[]): Promise<Explanation> {
  return JSON.parse(await explain(...args, '--json')) as Explanation
}

function preflight(path: string, origin: string, method: string, headers?: string): readonly string[] {
  const asked = ['-H', `Origin: ${origin}`, '-H', `Access-Control-Request-Method: ${method}`]
  return [
    'OPTIONS',
    path,
    ...asked,
    ...(headers === undefined ? [] : ['-H', `Access-Control-Request-Headers: ${headers}`]),
  ]
}

function resultOf({ checks }: Explanation, name: string): string | undefined {
  return checks.find(({ check }) => check === name)?.result
}

describe('explain OPTIONS', () => {
  test('shows that the gateway answers, by the route of the real request, and what it grants', async () => {
    const asked = preflight('/orders', APP, 'DELETE', 'authorization, content-type')
    expect(await explain(...asked)).toContain(
      'OPTIONS /orders: answered by the gateway itself, by the rules of write\n',
    )
    const found = await explained(...asked)
    expect(found).toMatchObject({
      decision: 'allow',
      route: { id: 'write' },
      preflight: { origin: APP, method: 'DELETE', headers: ['authorization', 'content-type'], refusedHeaders: [] },
      response: {
        status: 204,
        headers: expect.arrayContaining([
          { name: 'Access-Control-Allow-Origin', value: APP },
          { name: 'Access-Control-Allow-Methods', value: 'DELETE, PUT' },
        ]),
        body: '',
      },
    })
    expect(found.forwardedTo).toBeUndefined()
    expect(found.checks.map(({ check, result }) => [check, result])).toEqual([
      ['request', 'ok'],
      ['cors.origins', 'ok'],
      ['cors.headers', 'ok'],
      ['token', 'skipped'],
    ])
  })

  test('says which header the answer does not name, for which a browser sends nothing', async () => {
    const asked = preflight('/orders', 'https://a.shop.example', 'PUT', 'content-type, x-trace')
    expect(await explain(...asked)).toContain('by the rules of write; no page may send x-trace\n')
    const found = await explained(...asked)
    expect(found.preflight?.refusedHeaders).toEqual(['x-trace'])
    expect(resultOf(found, 'cors.headers')).toBe('fails')
  })

  test('says why a foreign origin is refused, with an answer that tells it nothing', async () => {
    const found = await explained(...preflight('/orders', EVIL, 'DELETE'))
    expect(found).toMatchObject({ decision: 'cors_refused', route: { id: 'write' }, response: { status: 403 } })
    expect(resultOf(found, 'cors.origins')).toBe('fails')
    expect(JSON.stringify(found.response)).not.toMatch(/access-control/i)
  })

  test('says of a path without a route for the method why each route is not taken', async () => {
    const patch = await explained(...preflight('/orders', APP, 'PATCH'))
    expect(patch.decision).toBe('route_unknown')
    expect(patch.checks[0]).toMatchObject({ result: 'fails', saw: 'route_unknown (preflight_for: PATCH)' })
    expect(patch.others.map(({ id, why }) => [id, why])).toEqual([
      ['read', 'does not take PATCH'],
      ['write', 'does not take PATCH'],
    ])
    const get = await explained(...preflight('/orders', APP, 'GET'))
    expect(get.others.map(({ id, why }) => [id, why])).toEqual([
      ['read', 'has no `cors`, and so answers no preflight'],
      ['write', 'does not take GET'],
    ])
  })

  test('says of a method in lower case, which browsers leave so, in which spelling it is taken', async () => {
    const unknown = await explained(...preflight('/patched', APP, 'patch'))
    expect(unknown.decision).toBe('route_unknown')
    expect(unknown.checks[0]?.saw).toBe('route_unknown (preflight_for: patch)')
    expect(unknown.others.map(({ why }) => why)).toEqual([
      'does not take patch, but PATCH: methods are told apart by letter case',
    ])
    const refused = await explained(...preflight('/any', APP, 'patch'))
    expect(refused.decision).toBe('cors_refused')
    expect(refused.checks).toContainEqual(
      expect.objectContaining({ check: 'method', saw: 'patch, and not PATCH: a page has to write it so' }),
    )
  })

  test('says of a route without cors that it is an ordinary request', async () => {
    const found = await explained(...preflight('/plain', APP, 'PUT'))
    expect(found).toMatchObject({ decision: 'allow', forwardedTo: expect.stringContaining('app') })
    expect(found.preflight).toBeUndefined()
    expect(found.checks).toContainEqual(
      expect.objectContaining({ check: 'cors', saw: 'plain, which has none, so this is an ordinary request' }),
    )
  })

  test('is an ordinary request without a method that a page asks for', async () => {
    const found = await explained('OPTIONS', '/strict', '-H', `Origin: ${APP}`)
    expect(found.preflight).toBeUndefined()
    expect(found.decision).toBe('token_missing')
  })
})

describe('explain of a request with an origin', () => {
  test('shows that a page may read the answer, and the lines that say so', async () => {
    const found = await explained('PUT', '/orders', '-H', `Origin: ${APP}`, '--claims', '{ scope: orders:write }')
    expect(found).toMatchObject({ decision: 'allow' })
    expect(found.addedToAnswer).toContainEqual({ name: 'Access-Control-Allow-Origin', value: APP })
    expect(resultOf(found, 'cors.origins')).toBe('ok')
  })

  test('shows the lines of a refusal, which a page may read, too', async () => {
    const found = await explained('PUT', '/orders', '-H', `Origin: ${APP}`)
    expect(found.response?.headers).toContainEqual({ name: 'access-control-allow-origin', value: APP })
    expect(found.addedToAnswer).toEqual([])
  })

  test('shows that a foreign page may not read what passes all the same', async () => {
    const found = await explained('PUT', '/orders', '-H', `Origin: ${EVIL}`, '--claims', '{ scope: orders:write }')
    expect(found.decision).toBe('allow')
    expect(found.checks).toContainEqual({
      check: 'cors.origins',
      result: 'fails',
      wanted: `${APP} or https://*.shop.example`,
      saw: `${EVIL}, whose pages may not read the answer`,
    })
    expect(found.addedToAnswer).toEqual([{ name: 'Vary', value: 'Origin' }])
  })

  test('shows that enforceOrigin refuses before anybody looks at a token', async () => {
    const found = await explained('GET', '/strict', '-H', `Origin: ${EVIL}`, '--claims', '{}')
    expect(found.decision).toBe('origin_forbidden')
    expect(found.checks.map(({ check, result }) => [check, result])).toEqual([
      ['request', 'ok'],
      ['cors.enforceOrigin', 'fails'],
      ['token', 'skipped'],
    ])
  })

  test('shows what a report-only route would refuse', async () => {
    expect(await explain('GET', '/tried', '-H', `Origin: ${EVIL}`)).toContain('would be origin_forbidden')
  })

  test('shows that two origins are malformed', async () => {
    const found = await explained('GET', '/any', '-H', `Origin: ${APP}`, '-H', `Origin: ${EVIL}`)
    expect(found.decision).toBe('request_malformed')
    expect(found.checks).toContainEqual({
      check: 'cors',
      result: 'fails',
      wanted: 'one Origin at most',
      saw: 'request_malformed (what: more than one origin)',
    })
  })

  test('shows for any origin that every page may read', async () => {
    const found = await explained('GET', '/any', '-H', `Origin: ${EVIL}`)
    expect(found.addedToAnswer).toContainEqual({ name: 'Access-Control-Allow-Origin', value: '*' })
  })
})

describe('test cases', () => {
  const cases = async (...lines: readonly string[]) => {
    const file = files.write(
      'cases.yaml',
      `config: sallyport.yaml\ntests:\n${lines.map(line => `  - ${line}\n`).join('')}`,
    )
    const { code, stdout, stderr } = await runCommand(testCommand, [file, '--json'])
    return { code, stderr, report: code === 2 ? undefined : (JSON.parse(stdout) as Report) }
  }
  interface Report {
    readonly files: ReadonlyArray<{
      readonly tests: ReadonlyArray<{
        readonly decision: string
        readonly reason?: string
        readonly mismatches: unknown
      }>
    }>
    readonly coverage: ReadonlyArray<{
      readonly routes: ReadonlyArray<{
        readonly route: string
        readonly items: ReadonlyArray<{ readonly item: string; readonly state: string }>
      }>
    }>
  }

  test('say what a page may ask for, and are covered by one that may and one that may not', async () => {
    const { code, report } = await cases(
      `{ name: a, request: OPTIONS /orders, preflight: { origin: "${APP}", method: PUT }, expect: allow, route: write }`,
      `{ name: b, request: OPTIONS /orders, preflight: { origin: "${EVIL}", method: PUT }, expect: cors_refused }`,
      `{ name: c, request: OPTIONS /orders, preflight: { origin: "${APP}", method: PATCH }, expect: route_unknown }`,
      `{ name: d, request: GET /strict, requestHeaders: { Origin: "${EVIL}" }, expect: origin_forbidden }`,
      `{ name: e, request: OPTIONS /any, preflight: { origin: "${EVIL}", method: PUT }, expect: allow }`,
      '{ name: g, request: OPTIONS /strict, preflight: { origin: "null", method: PUT }, expect: cors_refused }',
      `{ name: f, request: GET /tried, requestHeaders: { Origin: "${EVIL}" }, expect: allow, reported: origin_forbidden }`,
    )
    expect(code).toBe(0)
    const items = report?.coverage[0]?.routes.flatMap(({ route, items: each }) =>
      each.filter(({ item }) => /preflight|origin/.test(item)).map(({ item, state }) => `${route}: ${item}: ${state}`),
    )
    expect(items).toEqual([
      'write: preflight allowed: covered',
      'write: preflight refused: covered',
      'strict: preflight allowed: untested',
      'strict: preflight refused: covered',
      'strict: refused for its origin: covered',
      'tried: preflight allowed: untested',
      'tried: preflight refused: untested',
      'tried: refused for its origin: covered',
      'any: preflight allowed: covered',
      'patched: preflight allowed: untested',
      'patched: preflight refused: untested',
    ])
    expect(report?.coverage[0]?.routes.find(({ route }) => route === 'any')?.items).toContainEqual({
      item: 'allowed',
      state: 'untested',
    })
  })

  test('take a header that the answer does not name for refused, as a browser does', async () => {
    const { code, report } = await cases(
      `{ name: a, request: OPTIONS /orders, preflight: { origin: "${APP}", method: PUT, headers: [Content-Type] }, expect: allow }`,
      `{ name: b, request: OPTIONS /orders, preflight: { origin: "${APP}", method: PUT, headers: [x-trace] }, expect: cors_refused }`,
    )
    expect(code).toBe(0)
    expect(report?.files[0]?.tests[1]?.reason).toBe('the answer does not name x-trace')
    expect(report?.coverage[0]?.routes.find(({ route }) => route === 'write')?.items).toContainEqual({
      item: 'preflight refused',
      state: 'untested',
    })
  })

  test('fail where a preflight is an ordinary request', async () => {
    const { code, report } = await cases(
      `{ name: a, request: OPTIONS /plain, preflight: { origin: "${APP}", method: PUT }, expect: allow }`,
    )
    expect(code).toBe(1)
    expect(report?.files[0]?.tests[0]?.mismatches).toMatchObject([{ what: 'preflight', hasNoEffect: true }])
  })

  test.each([
    [`request: PUT /orders, preflight: { origin: "${APP}", method: PUT }`, 'must be `OPTIONS` and a path'],
    [`request: OPTIONS /orders, preflight: { origin: "${APP}" }`, 'method'],
    ['request: OPTIONS /orders, preflight: { origin: app.example.com, method: PUT }', 'is no origin'],
    [`request: OPTIONS /orders, preflight: { origin: "${APP}/", method: PUT }`, `write \`${APP}\``],
    ['request: OPTIONS /orders, preflight: { origin: "https://*.a.example", method: PUT }', 'write that of one page'],
    [`request: OPTIONS /orders, claims: {}, preflight: { origin: "${APP}", method: PUT }`, 'brings no token'],
    [`request: OPTIONS /orders, headers: { X-A: b }, preflight: { origin: "${APP}", method: PUT }`, 'not forwarded'],
    [
      `request: OPTIONS /orders, requestHeaders: { Origin: b }, preflight: { origin: "${APP}", method: PUT }`,
      'sends the header `Origin`',
    ],
  ])('%s is told what is wrong', async (written, message) => {
    const { code, stderr } = await cases(`{ name: a, ${written}, expect: allow }`)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
