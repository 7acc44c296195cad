/** Walks with each real client through what users of a protected MCP service see, from a 401 to the last tool. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MCP_CLIENTS, type McpClient, type SentRequest } from '../../support/clients/mcp-client.ts'
import { PROMPT, RESOURCE, TOOLS } from '../../support/services/mcp-service.ts'
import { type McpStack, startMcpStack } from './support.ts'

let stack: McpStack
beforeAll(async () => {
  stack = await startMcpStack()
})
afterAll(() => stack.close())

const pathOf = ({ url }: Pick<SentRequest, 'url'>) => new URL(url).pathname

/** @returns the scopes that the client asked for, without that for refresh tokens */
const scopesAsked = (url: URL | undefined) =>
  (url?.searchParams.get('scope') ?? '').split(' ').filter(scope => scope !== 'offline_access')

describe.each(MCP_CLIENTS)('$name', ({ name, makeClient, era }) => {
  const inSessions = era === '2025-11-25'
  let client: McpClient
  /** How many requests had reached the service before this client came. */
  let before: number
  beforeAll(() => {
    before = stack.service.requests.length
    client = makeClient({ url: stack.url, issuer: stack.issuer.issuer })
  })
  afterAll(() => client.close())

  /** What the service was asked by `action`, as it understood it. */
  async function callsDuring(action: () => Promise<unknown>): Promise<readonly string[]> {
    const earlier = stack.service.calls.length
    await action()
    return stack.service.calls.slice(earlier).map(({ tool }) => tool)
  }

  test('finds from the 401 where to get a token for this resource, and gets in with it', async () => {
    await client.connect()
    const walk = client.sent.map(request => `${request.method} ${pathOf(request)} ${request.status}`)
    expect(walk.slice(0, 5)).toEqual([
      'POST /mcp 401',
      'GET /.well-known/oauth-protected-resource/mcp 200',
      'GET /.well-known/oauth-authorization-server/as 200',
      'POST /as/token 200',
      'POST /mcp 200',
    ])
    const [authorization] = client.authorizations
    expect(scopesAsked(authorization)).toEqual(['mcp:use'])
    expect(authorization?.searchParams.get('resource')).toBe(stack.url)
    expect(decodeJwt(client.accessToken() ?? '')).toMatchObject({ aud: stack.url, scope: 'mcp:use' })
    expect(client.session() !== undefined).toBe(inSessions)
    if (inSessions) await stack.service.streaming(client.session() ?? '')
  })

  test('lists all tools and calls one that asks for no more', async () => {
    expect((await client.listTools()).toSorted()).toEqual(Object.values(TOOLS).toSorted())
    expect(await callsDuring(() => client.callTool(TOOLS.list))).toEqual([TOOLS.list])
    expect(stack.service.calls.at(-1)).toMatchObject({ subject: 'ada' })
    expect(client.authorizations).toHaveLength(1)
  })

  test('asks once for all scopes that a tool needs on top, and then calls it', async () => {
    const called = await callsDuring(async () => {
      expect(await client.callTool(TOOLS.delete, { id: '7' })).toBe('deleted 7')
    })
    expect(called).toEqual([TOOLS.delete])
    expect(client.authorizations).toHaveLength(2)
    expect(scopesAsked(client.authorizations.at(-1))).toEqual(['mcp:use', 'orders:write'])
    await client.callTool(TOOLS.delete, { id: '8' })
    expect(client.authorizations).toHaveLength(2)
  })

  test('asks again for a tool of a whole family', async () => {
    expect(await client.callTool(TOOLS.daily)).toBe(`${TOOLS.daily} done`)
    expect(client.authorizations).toHaveLength(3)
    expect(scopesAsked(client.authorizations.at(-1))).toEqual(expect.arrayContaining(['mcp:use', 'reports:read']))
  })

  test('is refused a tool that nobody has listed, and goes on', async () => {
    const called = await callsDuring(() => expect(client.callTool(TOOLS.hidden)).rejects.toThrow(/claim_forbidden/))
    expect(called).toEqual([])
    expect(await client.listTools()).toContain(TOOLS.hidden)
    expect(client.authorizations).toHaveLength(3)
  })

  test('sees a 401 of the service as 502, and goes on without a new login', async () => {
    stack.service.answerNext('POST', 401)
    const session = client.session()
    await expect(client.callTool(TOOLS.list)).rejects.toThrow(/upstream_unauthorized/)
    expect(client.sent.at(-1)?.status).toBe(502)
    const authorization = `Bearer ${client.accessToken()}`
    for (const method of ['GET', 'DELETE']) {
      stack.service.answerNext(method, 401)
      const { status, headers } = await stack.gateway.request('/mcp?by-hand', { method, headers: { authorization } })
      expect([status, headers['www-authenticate']]).toEqual([502, undefined])
    }
    expect(await client.callTool(TOOLS.list)).toBe(`${TOOLS.list} done`)
    expect(client.session()).toBe(session)
    expect(client.authorizations).toHaveLength(3)
  })

  test('gets another token when its own does not count any more, and goes on in its session', async () => {
    const session = client.session()
    const refreshes = () => client.sent.filter(({ body }) => body.startsWith('grant_type=refresh_token')).length
    client.spoilAccessToken()
    expect(await client.callTool(TOOLS.list)).toBe(`${TOOLS.list} done`)
    expect(client.session()).toBe(session)
    // The SDK 1.x asks for no refresh token, so its user signs in again.
    expect([refreshes(), client.authorizations.length]).toEqual(name === 'sdk 1.x' ? [0, 4] : [1, 3])
    expect(decodeJwt(client.accessToken() ?? '')).toMatchObject({ aud: stack.url })
  })

  test('answers what the service asks while a tool runs', async () => {
    expect(await client.callTool(TOOLS.confirm)).toBe('{"question":{"action":"accept","content":{"sure":true}}}')
    if (!inSessions) return
    expect(await client.callTool(TOOLS.summarize)).toContain('short')
    const answers = client.sent.filter(({ body }) => body.startsWith('{') && !('method' in JSON.parse(body)))
    expect(answers.map(({ status }) => status)).toEqual([202, 202])
  })

  test('gets a prompt and a resource, which no rule is about', async () => {
    expect(await client.getPrompt(PROMPT)).toBe('Hello')
    expect(await client.readResource(RESOURCE)).toBe('large')
    const names = client.sent.flatMap(({ headers }) => headers.get('mcp-name') ?? [])
    const encoded = `=?base64?${Buffer.from(PROMPT).toString('base64')}?=`
    if (inSessions) expect(names).toEqual([])
    else expect(names).toEqual(expect.arrayContaining([TOOLS.delete, encoded, RESOURCE]))
  })

  // Without a session there is no stream to hear on.
  if (inSessions)
    test('hears on its stream what the service says, and ends its session', async () => {
      const session = client.session() ?? ''
      await client.callTool(TOOLS.announce)
      await client.toolsChanged
      await client.endSession()
      expect(stack.service.sessions).not.toContain(session)
      expect(client.sent.at(-1)).toMatchObject({ method: 'DELETE', status: 200 })
      // It would ask for its stream again after a while.
      await client.close()
    })

  test('has sent the service exactly what reached it, and no token', () => {
    const passed = client.sent.filter(request => request.url === stack.url && ![401, 403].includes(request.status))
    const reached = stack.service.requests.slice(before).filter(({ path }) => path === '/mcp')
    const told = reached.map(({ method, body }) => `${method} ${body()}`)
    expect(told.toSorted()).toEqual(passed.map(({ method, body }) => `${method} ${body}`).toSorted())
    expect(reached.filter(({ headers }) => 'authorization' in headers)).toEqual([])
    expect(stack.issuer.errors).toEqual([])
  })
})
