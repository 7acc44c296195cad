/** Tests what `sallyport explain` and `sallyport test` show of calls of tools, and of protected resources. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import { testCommand } from '../../src/cli/test.ts'
import { tokenCommand } from '../../src/cli/token.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { runCommand } from '../support/gateway/command.ts'
import { askingConfig } from './introspection-support.ts'
import { folder, textOf } from './support.ts'

const files = folder()
const TOOLS = "{ orders.delete: { scopes: [orders:write] }, 'report.*': { scopes: [reports:read] }, free: {} }"
const URL_OF_RESOURCE = 'https://mcp.example.com/mcp'
const config = files.write(
  'sallyport.yaml',
  `${textOf(
    `{ id: mcp, path: /mcp, resource: orders, require: { scopes: [mcp:use] }, mcp: { tools: ${TOOLS} } }`,
    `{ id: lax, path: /lax, mcp: { tools: ${TOOLS}, others: allow } }`,
    `{ id: maybe, path: /maybe, access: optional, mcp: { tools: ${TOOLS} } }`,
    `{ id: tried, path: /tried, mode: report, require: { scopes: [mcp:use] }, mcp: { tools: ${TOOLS} } }`,
    "{ id: every, path: /every, mcp: { tools: { '*': { scopes: [x] } } } }",
    '{ id: other, path: /other }',
  )}resources: { orders: { url: ${URL_OF_RESOURCE}, scopes: [mcp:use] } }\n`,
)

async function explain(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', config])
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

async function explained(...args: readonly string[]): Promise<Explanation> {
  return JSON.parse(await explain(...args, '--json')) as Explanation
}

const calling = (path: string, tool: string, scope: string): Promise<Explanation> =>
  explained('POST', path, '--tool', tool, '--claims', `{ scope: "${scope}" }`)

describe('explain --tool', () => {
  test('shows the rule, what is missing of its scopes, and the challenge with all of them', async () => {
    const found = await calling('/mcp', 'orders.delete', 'mcp:use')
    expect(found.decision).toBe('scope_missing')
    expect(found.checks).toContainEqual({
      check: 'mcp.tools.orders.delete',
      result: 'fails',
      wanted: 'orders:write',
      saw: 'mcp:use',
    })
    expect(found.response?.headers).toContainEqual({
      name: 'www-authenticate',
      value: expect.stringContaining('scope="mcp:use orders:write"'),
    })
  })

  test.each([
    ['orders.delete', 'mcp:use orders:write', 'mcp.tools.orders.delete', 'ok'],
    ['report.sales', 'mcp:use', 'mcp.tools.report.*', 'fails'],
    ['report.sales', 'mcp:use reports:read', 'mcp.tools.report.*', 'ok'],
    ['free', 'mcp:use', 'mcp.tools.free', 'ok'],
  ])('%s with %s is judged by %s: %s', async (tool, scope, check, result) => {
    const found = await calling('/mcp', tool, scope)
    expect(found.decision).toBe(result === 'ok' ? 'allow' : 'scope_missing')
    expect(found.checks).toContainEqual(expect.objectContaining({ check, result }))
  })

  test('shows that a tool which is not listed is refused, or passes where others do', async () => {
    const refused = await calling('/mcp', 'drop', 'mcp:use')
    expect(refused.decision).toBe('claim_forbidden')
    expect(refused.checks).toContainEqual(
      expect.objectContaining({ check: 'mcp.others', result: 'fails', saw: 'drop' }),
    )
    const passes = await calling('/lax', 'drop', 'x')
    expect(passes.decision).toBe('allow')
    expect(passes.checks).toContainEqual(expect.objectContaining({ check: 'mcp.others', result: 'ok' }))
  })

  test('shows that another spelling is refused, by the line for which a service might take it', async () => {
    const found = await calling('/lax', 'Orders.Delete', 'orders:write')
    expect(found.decision).toBe('claim_forbidden')
    expect(found.checks.filter(({ result }) => result === 'fails')).toEqual([
      {
        check: 'mcp.tools.orders.delete',
        result: 'fails',
        wanted: 'its name as the file spells it',
        saw: 'Orders.Delete, which a service that ignores letter case takes for it',
      },
    ])
    const free = await calling('/lax', 'Free', 'x')
    expect(free.decision).toBe('allow')
    expect(free.checks).toContainEqual(expect.objectContaining({ check: 'mcp.others', result: 'ok' }))
  })

  test('needs a name', async () => {
    const { code, stderr } = await runCommand(explainCommand, ['POST', '/mcp', '--tool', '', '-c', config])
    expect(code).toBe(2)
    expect(stderr).toContain('--tool needs the name of a tool')
  })

  test('shows that a caller without a token may call what asks for no scope, where the route lets it', async () => {
    const free = await explained('POST', '/maybe', '--tool', 'free')
    expect(free.decision).toBe('allow')
    const asking = await explained('POST', '/maybe', '--tool', 'orders.delete')
    expect(asking.decision).toBe('token_missing')
    expect(asking.checks.map(({ check, result }) => [check, result])).toEqual([
      ['request', 'ok'],
      ['token', 'ok'],
      ['audiences', 'skipped'],
      ['mcp.tools.orders.delete', 'fails'],
    ])
  })

  test('shows what a report-only route would refuse', async () => {
    const found = await calling('/tried', 'orders.delete', 'mcp:use')
    expect(found).toMatchObject({ decision: 'allow', reported: 'scope_missing' })
    expect(found.checks).toContainEqual(expect.objectContaining({ check: 'mcp.tools.orders.delete', result: 'fails' }))
  })

  test('shows that a header which names another tool is told as clients understand it', async () => {
    const claims = ['--claims', '{ scope: mcp:use }']
    const found = await explained('POST', '/mcp', '--tool', 'free', '-H', 'Mcp-Name: drop', ...claims)
    expect(found.decision).toBe('request_malformed')
    expect(found.checks).toContainEqual(expect.objectContaining({ check: 'mcp.tools', result: 'fails' }))
    expect(JSON.parse(found.response?.body ?? '')).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32020 } })
  })

  test('without it, a message that calls none is assumed', async () => {
    const found = await explained('POST', '/mcp', '--claims', '{ scope: mcp:use }')
    expect(found.decision).toBe('allow')
    expect(found.checks).toContainEqual(
      expect.objectContaining({ check: 'mcp.tools', saw: 'a message that calls none is assumed; --tool names one' }),
    )
  })

  test.each([
    ['POST', '/other', '--tool has no effect: other has no `mcp.tools`'],
    ['GET', '/mcp', '--tool has no effect: only a POST calls tools'],
    ['GET', '/.well-known/oauth-protected-resource', '--tool has no effect: (metadata) has no `mcp.tools`'],
  ])('%s %s judges no tool, and says so', async (method, path, message) => {
    const { code, stderr } = await runCommand(explainCommand, [method, path, '--tool', 'free', '-c', config])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('explain of a protected resource', () => {
  test('fills in its URL as the audience, and says that the resource asks for it', async () => {
    const found = await calling('/mcp', 'free', 'mcp:use')
    expect(found.filledIn).toMatchObject({ aud: URL_OF_RESOURCE })
    expect(found.checks).toContainEqual({
      check: 'audiences',
      result: 'ok',
      wanted: `${URL_OF_RESOURCE}, by resource orders`,
      saw: URL_OF_RESOURCE,
    })
  })

  test('shows that its token is for no other route', async () => {
    const found = await explained('GET', '/other', '--claims', `{ aud: "${URL_OF_RESOURCE}" }`)
    expect(found.decision).toBe('audience_mismatch')
    expect((await explained('GET', '/other', '--claims', '{}')).decision).toBe('allow')
  })

  test('shows the metadata, which the gateway answers itself', async () => {
    const found = await explained('GET', '/.well-known/oauth-protected-resource/mcp')
    expect(found.response?.status).toBe(200)
    expect(JSON.parse(found.response?.body ?? '')).toMatchObject({ resource: URL_OF_RESOURCE })
  })
})

describe('a token for a protected resource', () => {
  test('that is minted gets in there and at the other routes, and so does one of the resource at its own', async () => {
    const key = join(files.path, 'dev.jwk')
    const text = readFileSync(config, 'utf8')
    const own = files.write(
      'minted.yaml',
      text.replace('audiences:', 'keys: { jwksFile: dev.public.json }, tokenType: compatible, audiences:'),
    )
    const mint = async (...args: readonly string[]): Promise<string> => {
      const { stdout, code } = await runCommand(tokenCommand, ['mint', '--key', key, ...args, '-c', config])
      expect(code).toBe(0)
      return stdout.trim()
    }
    const decided = async (path: string, token: string): Promise<string> => {
      const { stdout } = await runCommand(explainCommand, ['GET', path, '--token', token, '-c', own, '--json'])
      return (JSON.parse(stdout) as Explanation).decision
    }
    const both = await mint('--create-key', '--claim', 'scope=mcp:use')
    const narrow = await mint('--claim', 'scope=mcp:use', '--claim', `aud=${URL_OF_RESOURCE}`)
    expect([await decided('/mcp', both), await decided('/other', both)]).toEqual(['allow', 'allow'])
    expect([await decided('/mcp', narrow), await decided('/other', narrow)]).toEqual(['allow', 'audience_mismatch'])
    const verified = await runCommand(tokenCommand, ['verify', narrow, '-c', own, '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({
      verdict: 'valid',
      caller: { routes: ['mcp'], isForAllRoutes: false },
    })
    const verify = async (token: string): Promise<string> =>
      (await runCommand(tokenCommand, ['verify', token, '-c', own])).stdout
    expect(await verify(narrow)).toMatch(/^ +routes +by its audience it counts only on mcp$/m)
    expect(await verify(both)).not.toContain('routes')
    const foreign = await verify(await mint('--claim', 'aud=https://other.example'))
    expect(foreign).toContain(
      `audience_mismatch (aud: https://other.example, accepted: ["https://api.example.com","${URL_OF_RESOURCE}"]`,
    )
    expect(foreign).toContain('counts only on the routes with that `resource`')
  })

  test.each(['', ', audienceCheckedByServer: true'])(
    'that a server is asked about has its URL filled in%s',
    async keys => {
      const asking = askingConfig(files, 'asking.yaml', {
        keys,
        routes: [`{ id: mcp, path: /mcp, resource: orders, mcp: { tools: ${TOOLS} } }`],
        sections: `resources: { orders: { url: ${URL_OF_RESOURCE} } }\n`,
      })
      const args = ['POST', '/mcp', '--tool', 'free', '--claims', '{ sub: alice }', '-c', asking, '--json']
      const found = JSON.parse((await runCommand(explainCommand, args)).stdout) as Explanation
      expect([found.decision, found.filledIn.aud]).toEqual(['allow', URL_OF_RESOURCE])
      const said = `{ active: true, sub: alice, aud: "${URL_OF_RESOURCE}" }`
      const told = ['POST', '/mcp', '--tool', 'free', '--introspection', said, '-c', asking, '--json']
      expect((JSON.parse((await runCommand(explainCommand, told)).stdout) as Explanation).decision).toBe('allow')
    },
  )
})

describe('test cases', () => {
  const run = async (lines: readonly string[]) => {
    const file = files.write(
      'cases.yaml',
      `config: sallyport.yaml\ntests:\n${lines.map(line => `  - ${line}\n`).join('')}`,
    )
    return runCommand(testCommand, [file, '--json'])
  }
  const call = (path: string, tool: string, scope: string, expected: string): string =>
    `{ name: x, request: POST ${path}, mcp: { tool: ${tool} }, claims: { scope: "${scope}" }, expect: ${expected} }`
  const ofCalls = (stdout: string): readonly string[] => {
    interface Item {
      readonly item: string
      readonly state: string
    }
    const { coverage } = JSON.parse(stdout) as { coverage: [{ routes: { route: string; items: Item[] }[] }] }
    return coverage[0].routes.flatMap(({ route, items }) =>
      items.filter(({ item }) => item.includes('mcp.')).map(({ item, state }) => `${route}: ${item}: ${state}`),
    )
  }

  test('say who may call which tool, and cover each line that judges a call', async () => {
    const { code, stdout } = await run([
      call('/mcp', 'orders.delete', 'mcp:use orders:write', 'allow'),
      call('/mcp', 'orders.delete', 'mcp:use', 'scope_missing'),
      call('/mcp', 'report.x', 'mcp:use', 'scope_missing'),
      call('/mcp', 'free', 'mcp:use', 'allow'),
      call('/mcp', 'drop', 'mcp:use', 'claim_forbidden'),
      call('/lax', 'drop', 'x', 'allow'),
      call('/every', 'drop', 'y', 'scope_missing'),
      // Of two scopes that are missing, neither is shown to be asked for.
      call('/tried', 'report.x', 'none', 'allow'),
      '{ name: x, request: POST /mcp, mcp: { method: tools/list }, claims: { scope: mcp:use }, expect: allow }',
      '{ name: x, request: POST /mcp, claims: { scope: mcp:use }, expect: allow }',
      '{ name: x, request: POST /maybe, mcp: { tool: orders.delete }, expect: token_missing }',
    ])
    expect(code).toBe(0)
    expect(ofCalls(stdout)).toEqual([
      'mcp: refused without mcp.tools.orders.delete orders:write: covered',
      'mcp: refused without mcp.tools.report.* reports:read: covered',
      'mcp: allowed mcp.tools.free: covered',
      'mcp: refused by mcp.others: covered',
      'lax: refused without mcp.tools.orders.delete orders:write: untested',
      'lax: refused without mcp.tools.report.* reports:read: untested',
      'lax: allowed mcp.tools.free: untested',
      'lax: allowed mcp.others: covered',
      'maybe: refused without mcp.tools.orders.delete orders:write: covered',
      'maybe: refused without mcp.tools.report.* reports:read: untested',
      'maybe: allowed mcp.tools.free: untested',
      'maybe: refused by mcp.others: untested',
      'tried: refused without mcp.tools.orders.delete orders:write: untested',
      'tried: refused without mcp.tools.report.* reports:read: untested',
      'tried: allowed mcp.tools.free: untested',
      'tried: refused by mcp.others: untested',
      'every: refused without mcp.tools.* x: covered',
    ])
  })

  test('are listed with the tool that they call', async () => {
    const file = files.write(
      'listed.yaml',
      `config: sallyport.yaml\ntests:\n  - ${call('/mcp', 'drop', 'mcp:use', 'claim_forbidden')}\n`,
    )
    const { stdout } = await runCommand(testCommand, [file])
    expect(stdout).toMatch(/ok +x +POST \/mcp drop +claim_forbidden/)
    expect(stdout).toMatch(/^ +mcp +refused without mcp\.tools\.report\.\* reports:read$/m)
  })

  test('fail where no tool is judged', async () => {
    const { code, stdout } = await run([call('/other', 'free', 'x', 'allow')])
    expect(code).toBe(1)
    expect(stdout).toContain('`mcp.tools` on the route that takes the request')
  })

  test.each([
    ['request: POST /mcp, mcp: {}', 'needs `tool`'],
    ['request: POST /mcp, mcp: { method: tools/list, tool: x }', 'only `tools/call` calls'],
    ['request: GET /mcp, mcp: { tool: x }', 'must be `POST` and a path for `mcp`'],
  ])('%s is told what is wrong', async (written, message) => {
    const { code, stderr } = await run([`{ name: a, ${written}, expect: allow }`])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
