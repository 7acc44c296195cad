/**
 * Sends calls of tools that parsers disagree about: what reaches the service is the bytes that were judged, or nothing.
 *
 * The routes of `mcp.tools` believe no header that the body does not confirm, and no body that two readers might take
 * for two calls: batches, repeated or respelled members, other charsets and codings, text that JSON does not have.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROTOCOLS, ROUTES, request, type Stack } from '../support/raw.ts'
import { openWire } from '../support/wire.ts'

const MAX_BODY_BYTES = 8_192

const CONFIG = () => ({
  routes: [
    ...ROUTES,
    {
      id: 'mcp',
      path: '/mcp',
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY'],
      require: { scopes: ['mcp:use'] },
      mcp: {
        tools: {
          'orders.list': {},
          menü: {},
          'orders.delete': { scopes: ['orders:write'] },
          'report.*': { scopes: ['reports:read'] },
        },
        maxBody: `${MAX_BODY_BYTES}B`,
      },
    },
  ],
})

const JSON_TYPE = 'Content-Type: application/json'

/** Whoever reads the text as bytes has UTF-8: sockets take it as Latin-1, one character a byte. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function call(name: string, rest = ''): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(name)}}${rest}}`
}

const LIST = call('orders.list')
const DELETE = call('orders.delete')
const PARAMS = '"params":{"name":"orders.list"}'
const DELETING = '"params":{"name":"orders.delete"}'

/** A body is UTF-8 when it is text, and sent as it is when it is bytes. */
type Body = string | Buffer

/** Whether frames came through TLS makes no difference to bodies. */
const WITHOUT_TLS = PROTOCOLS.filter(({ name }) => name !== 'HTTP/2')

const stacks = new Map<string, Stack>()
beforeAll(async () => {
  await Promise.all(WITHOUT_TLS.map(async ({ name, startStack }) => stacks.set(name, await startStack(CONFIG))))
})
afterAll(() => Promise.all([...stacks.values()].map(stack => stack.close())))

function stackOf(name: string): Stack {
  const stack = stacks.get(name)
  if (stack === undefined) throw new Error(`no gateway for ${name}`)
  return stack
}

describe.each(WITHOUT_TLS)('over $name', ({ name }) => {
  /** Frames bring the same bytes to the same judge, which some of them show. Lines of the head each version reads. */
  const bodies = <T>(cases: readonly T[]): readonly T[] =>
    name === 'HTTP/1.1' ? cases : cases.filter((_, at) => at % 8 === 0)

  let stack: Stack
  let token: string
  beforeAll(async () => {
    stack = stackOf(name)
    token = await stack.issuer.mint({ scope: 'mcp:use' })
  })

  function post(body: Body, lines: readonly string[] = [JSON_TYPE], method = 'POST'): string {
    const bytes = typeof body === 'string' ? utf8(body) : body.toString('latin1')
    const framing = bytes === '' && method !== 'POST' ? [] : [`Content-Length: ${bytes.length}`]
    const head = [`Authorization: Bearer ${token}`, ...lines.map(utf8), ...framing]
    return request(`${method} /mcp HTTP/1.1`, head, bytes)
  }

  async function passes(body: Body, lines?: readonly string[]): Promise<void> {
    const bytes = typeof body === 'string' ? utf8(body) : body.toString('latin1')
    const reached = await stack.forwarded(async () => {
      expect((await stack.exchange(post(body, lines)))?.status).toBe(200)
    })
    const end = reached.indexOf('\r\n\r\n')
    expect(reached.slice(end + 4)).toBe(bytes)
    expect(reached.slice(0, end).match(/^content-length: .*$/gim)).toEqual([
      expect.stringMatching(new RegExp(`: ${bytes.length}$`)),
    ])
  }

  /** Is refused as MCP says for headers that disagree with the body, and reaches nobody. */
  async function disagrees(body: Body, lines: readonly string[]): Promise<void> {
    const reached = await stack.forwarded(async () => {
      const reply = await stack.exchange(post(body, [JSON_TYPE, ...lines]))
      expect(reply?.status).toBe(400)
      const { id } = JSON.parse(body.toString()) as { id?: unknown }
      expect(JSON.parse(reply?.body ?? '')).toEqual({
        jsonrpc: '2.0',
        ...(id === undefined ? {} : { id }),
        error: {
          code: -32020,
          message: expect.any(String),
          data: expect.objectContaining({ code: 'request_malformed' }),
        },
      })
    })
    expect(reached).toBe('')
  }

  describe('a body with one meaning goes on byte for byte', () => {
    test.each(
      bodies<readonly [string, Body]>([
        ['a call', LIST],
        ['spaces and lines', '\r\n\t{ "params" : { "name" : "orders.list" } ,\n"method":"tools/call","id":1}\n\n'],
        ['escapes in names and values', '{"\\u006dethod":"tools\\/call","params":{"n\\u0061me":"orders\\u002elist"}}'],
        ['a name beyond ASCII', call('menü')],
        ['a name beyond ASCII, escaped', '{"method":"tools/call","params":{"name":"men\\u00fc"},"id":1}'],
        ['a number that no double holds', LIST.replace('"id":1', '"id":12345678901234567890')],
        ['numbers in other spellings', LIST.replace('"id":1', '"id":-0.10e+2')],
        ['arguments with names of the message', call('orders.list', ',"x":{"method":"tools/list","Params":{}}')],
        ['nesting', call('orders.list', `,"x":${'['.repeat(90)}${']'.repeat(90)}`)],
        ['a body as large as it may be', LIST.padEnd(MAX_BODY_BYTES)],
        ['another method', '{"jsonrpc":"2.0","id":"a","method":"tools/list"}'],
        ['a method that is called like a member of objects', '{"jsonrpc":"2.0","id":"a","method":"constructor"}'],
        ['a notification', '{"jsonrpc":"2.0","method":"notifications/initialized"}'],
        ['the answer to what the server has asked', '{"jsonrpc":"2.0","id":0,"result":{"action":"accept"}}'],
        ['the refusal of what the server has asked', '{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}'],
      ]),
    )('%s', async (_, body) => {
      await passes(body)
    })

    test.each([
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
    ])('as %s', async type => {
      await passes(LIST, [`Content-Type: ${type}`])
    })
  })

  describe('a call of a tool that nobody has listed is forbidden', () => {
    test.each(
      bodies([
        ['another letter case', 'Orders.List'],
        ['no name', ''],
        ['a beginning without its dot', 'report'],
        ['a letter that is made of two', 'menu\u0308'],
        ['letters of full width', 'ｏｒｄｅｒｓ.list'],
        ['a member of all objects', 'constructor'],
        ['the prototype of all objects', '__proto__'],
        ['a wildcard', '*'],
      ]),
    )('%s', async (_, name) => {
      await stack.refuses(post(call(name)), 'claim_forbidden')
    })
  })

  describe('a call of a tool that asks for more is told so, however it is written', () => {
    test.each(
      bodies([
        ['as it is', DELETE],
        ['as a notification', '{"jsonrpc":"2.0","method":"tools/call",PARAMS}'.replace('PARAMS', DELETING)],
        ['with an escape in the tool', DELETE.replace('orders.delete', 'orders\\u002edelete')],
        ['with an escape in the method', DELETE.replace('tools/call', 'tools\\/c\\u0061ll')],
        ['with escapes in the members', DELETE.replace('params', 'p\\u0061rams').replace('name', '\\u006e\\u0061me')],
        ['with the result of something else', `{"id":1,"method":"tools/call",${DELETING},"result":{}}`],
        ['of a family', call('report.')],
      ]),
    )('%s', async (_, body) => {
      const { headers } = await stack.refuses(post(body), 'scope_missing')
      expect(headers.get('www-authenticate')).toMatch(/scope="mcp:use (orders:write|reports:read)"/)
    })

    test('and is not told it by headers that name another', async () => {
      for (const lines of [['Mcp-Method: tools/list'], ['Mcp-Name: orders.list']]) await disagrees(DELETE, lines)
    })
  })

  describe('a body that has two meanings, or none, is refused', () => {
    test.each(
      bodies<readonly [string, Body]>([
        ['no body', ''],
        ['blanks', ' \n'],
        ['null', 'null'],
        ['a text', '"tools/call"'],
        ['no message', '{}'],
        ['a batch', `[${LIST}]`],
        ['a batch of an allowed call and another', `[${LIST},${DELETE}]`],
        ['an empty batch', '[]'],
        ['two messages, a line each', `${LIST}\n${DELETE}`],
        ['two messages with nothing between', LIST + DELETE],
        ['two messages with a record separator', `\x1e${LIST}\n\x1e${DELETE}`],
        ['two methods', `{"method":"tools/list","method":"tools/call",${DELETING}}`],
        ['two methods, the second one escaped', `{"method":"tools/list","\\u006dethod":"tools/call",${DELETING}}`],
        ['two params', `{"method":"tools/call",${PARAMS},${DELETING}}`],
        ['two tools', '{"method":"tools/call","params":{"name":"orders.list","name":"orders.delete"}}'],
        ['two ids', LIST.replace('"id":1', '"id":1,"id":2')],
        ['two arguments of one name', call('orders.list', ',"x":{"a":1,"a":2}')],
        ['another method in capitals', `{"method":"tools/list","Method":"tools/call",${DELETING}}`],
        ['a method in capitals alone', `{"METHOD":"tools/call",${DELETING},"result":{}}`],
        ['other params in mixed case', `{"method":"tools/call",${PARAMS},"parAms":{"name":"orders.delete"}}`],
        ['other params with a long s', `{"method":"tools/call",${PARAMS},"paramſ":{"name":"orders.delete"}}`],
        ['another tool in capitals', '{"method":"tools/call","params":{"name":"orders.list","Name":"orders.delete"}}'],
        ['a task with a Kelvin sign', '{"method":"tasks/get","params":{"taskId":"1","tas\u212aId":"2"}}'],
        ['a version in capitals', LIST.replace('jsonrpc', 'JsonRpc')],
        ['a method that is a number', `{"method":1,${PARAMS}}`],
        ['a method that is null', `{"method":null,${PARAMS}}`],
        ['a list of methods', `{"method":["tools/call"],${PARAMS}}`],
        ['params that are a list', '{"method":"tools/call","params":["orders.list"]}'],
        ['params that are null', '{"method":"tools/call","params":null}'],
        ['no params', '{"method":"tools/call"}'],
        ['no tool', '{"method":"tools/call","params":{}}'],
        ['a tool that is a number', '{"method":"tools/call","params":{"name":1}}'],
        ['a tool that is null', '{"method":"tools/call","params":{"name":null}}'],
        ['a list of tools', '{"method":"tools/call","params":{"name":["orders.list"]}}'],
        [
          'a prototype of the params',
          '{"method":"tools/call","params":{"name":"orders.list","__proto__":{"name":"x"}}}',
        ],
        ['a prototype of the message', `{"method":"tools/call",${PARAMS},"__proto__":${DELETE}}`],
        ['a byte order mark', `\ufeff${LIST}`],
        ['UTF-16', Buffer.from(LIST, 'utf16le')],
        ['UTF-16 with a byte order mark', Buffer.from(`\ufeff${LIST}`, 'utf16le')],
        ['bytes that are no UTF-8', Buffer.from(call('orders.list', ',"x":"\xff"'), 'latin1')],
        ['an overlong letter', Buffer.from(DELETE.replace('e"}', '\xc1\xa5"}'), 'latin1')],
        ['an encoded surrogate', Buffer.from(call('orders.list', ',"x":"\xed\xa0\x80"'), 'latin1')],
        ['a letter that is cut off', Buffer.from(`${LIST.slice(0, -1)},"x":"\xc3"}`, 'latin1')],
        ['a name with a blank behind it', call('orders.list ')],
        ['a name with a null byte behind it', call('orders.list\0')],
        ['a name with a blank before it', call(' orders.list')],
        ['a method with a null byte behind it', LIST.replace('tools/call', 'tools/call\\u0000')],
        ['a member whose name is cut by some', LIST.replace('"name"', '"x":1,"name\\u0000"')],
        ['half a surrogate pair', call('orders.list', ',"x":"\\ud800"')],
        ['a comment', LIST.replace(',', ', /* "x": */ ')],
        ['a comment up to the end of the line', `// \n${LIST}`],
        ['a comma too many', LIST.replace(/\}$/, ',}')],
        ['single quotes', LIST.replaceAll('"', "'")],
        ['a name without quotes', LIST.replace('"method"', 'method')],
        ['NaN', LIST.replace('"id":1', '"id":NaN')],
        ['a hexadecimal number', LIST.replace('"id":1', '"id":0x1')],
        ['a number without end', LIST.replace('"id":1', '"id":1e999')],
        ['a leading zero', LIST.replace('"id":1', '"id":01')],
        ['a line in a text', LIST.replace('orders.list', 'orders.\nlist')],
        ['a byte of zero behind it', `${LIST}\0`],
        ['a byte of zero before it', `\0${LIST}`],
        ['a no-break space', `\u00a0${LIST}`],
        ['a form feed', `\f${LIST}`],
        ['a guard against scripts', `)]}'\n${LIST}`],
        ['deep nesting', call('orders.list', `,"x":${'['.repeat(200)}${']'.repeat(200)}`)],
        ['nesting without end', '['.repeat(MAX_BODY_BYTES)],
        ['the beginning of a message', LIST.slice(0, -1)],
      ]),
    )('%s', async (_, body) => {
      await stack.refuses(post(body), 'request_malformed')
    })
  })

  describe('a body that others might read in another way is refused', () => {
    test.each<readonly [string, readonly string[]]>([
      ['no type', []],
      ['plain text', ['Content-Type: text/plain']],
      ['a form', ['Content-Type: application/x-www-form-urlencoded']],
      ['parts', ['Content-Type: multipart/form-data; boundary=x']],
      ['JSON of another kind', ['Content-Type: application/vnd.api+json']],
      ['lines of JSON', ['Content-Type: application/json-seq']],
      ['UTF-16', ['Content-Type: application/json; charset=utf-16']],
      ['Latin-1', ['Content-Type: application/json; charset=iso-8859-1']],
      ['two charsets', ['Content-Type: application/json; charset=utf-8; charset=utf-16']],
      ['another parameter', ['Content-Type: application/json; profile=x']],
      ['two types in a line', ['Content-Type: application/json, text/plain']],
      ['two types', [JSON_TYPE, 'Content-Type: text/plain']],
      ['the same type twice', [JSON_TYPE, JSON_TYPE]],
      ['two types, one with an underscore', [JSON_TYPE, 'Content_Type: text/plain']],
      ['a coding', [JSON_TYPE, 'Content-Encoding: gzip']],
      ['the coding that is none', [JSON_TYPE, 'Content-Encoding: identity']],
      ['a coding with an underscore', [JSON_TYPE, 'Content_Encoding: gzip']],
    ])('%s', async (_, lines) => {
      await stack.refuses(post(LIST, lines), 'request_malformed')
    })

    test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'QUERY'])('one of %s', async method => {
      await stack.refuses(post(LIST, [JSON_TYPE], method), 'request_malformed')
    })

    test.each(['GET', 'DELETE'])('but %s without one passes', async method => {
      const reached = await stack.forwarded(async () => {
        expect((await stack.exchange(post('', [], method)))?.status).toBe(200)
      })
      expect(reached).toMatch(new RegExp(`^${method} /mcp HTTP/1.1\r\n`))
      expect(reached.endsWith('\r\n\r\n')).toBe(true)
    })

    test('a larger one is refused as such', async () => {
      await stack.refuses(post(LIST.padEnd(MAX_BODY_BYTES + 1)), 'body_too_large')
    })
  })

  describe('headers that agree with the body pass', () => {
    const base64 = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`
    test.each<readonly [string, Body, readonly string[]]>([
      ['both', LIST, ['Mcp-Method: tools/call', 'Mcp-Name: orders.list']],
      ['with blanks around', LIST, ['Mcp-Method:  tools/call\t', 'Mcp-Name: \torders.list ']],
      ['an encoded name', LIST, [`Mcp-Name: ${base64('orders.list')}`]],
      ['an encoded name beyond ASCII', call('menü'), [`Mcp-Name: ${base64('menü')}`]],
      ['of a prompt', prompt('größe'), ['Mcp-Method: prompts/get', `Mcp-Name: ${base64('größe')}`]],
      ['of a resource', '{"id":1,"method":"resources/read","params":{"uri":"a:b"}}', ['Mcp-Name: a:b']],
      ['of a task', '{"id":1,"method":"tasks/cancel","params":{"taskId":"7"}}', ['Mcp-Name: 7']],
      ['a name for a method that has none', '{"id":1,"method":"tools/list"}', ['Mcp-Name: orders.delete']],
    ])('%s', async (_, body, lines) => {
      await passes(body, [JSON_TYPE, ...lines])
    })
  })

  describe('headers that disagree with the body are refused as MCP says', () => {
    const base64 = (text: Body) => `=?base64?${Buffer.from(text as string).toString('base64')}?=`
    test.each<readonly [string, Body, readonly string[]]>([
      ['another method', LIST, ['Mcp-Method: tools/list']],
      ['a method in capitals', LIST, ['Mcp-Method: Tools/Call']],
      ['an encoded method', LIST, [`Mcp-Method: ${base64('tools/call')}`]],
      ['no method in the header', LIST, ['Mcp-Method:']],
      ['a method for an answer', '{"id":0,"result":{}}', ['Mcp-Method: tools/call']],
      ['two methods', LIST, ['Mcp-Method: tools/call', 'Mcp-Method: tools/list']],
      ['two methods in a line', LIST, ['Mcp-Method: tools/call, tools/call']],
      ['a method with an underscore', LIST, ['Mcp-Method: tools/call', 'Mcp_Method: tools/list']],
      ['another tool', LIST, ['Mcp-Name: orders.delete']],
      ['a tool in capitals', LIST, ['Mcp-Name: Orders.List']],
      ['no tool in the header', LIST, ['Mcp-Name:']],
      ['a tool in quotes', LIST, ['Mcp-Name: "orders.list"']],
      ['a tool with percents', LIST, ['Mcp-Name: orders%2elist']],
      ['two tools', LIST, ['Mcp-Name: orders.list', 'Mcp-Name: orders.delete']],
      ['two tools in a line', LIST, ['Mcp-Name: orders.list, orders.delete']],
      ['a tool with an underscore', LIST, ['Mcp-Name: orders.list', 'Mcp_Name: orders.delete']],
      ['another encoded tool', LIST, [`Mcp-Name: ${base64('orders.delete')}`]],
      ['a tool that is encoded twice', LIST, [`Mcp-Name: ${base64(base64('orders.list'))}`]],
      ['a tool that is encoded in capitals', LIST, [`Mcp-Name: ${base64('orders.list').replace('base64', 'BASE64')}`]],
      ['a tool without its padding', LIST, [`Mcp-Name: ${base64('orders.list').replace('=?=', '?=')}`]],
      ['a tool in another base64', call('menü'), ['Mcp-Name: =?base64url?bWVuw7w?=']],
      ['a tool whose code has blanks', LIST, [`Mcp-Name: ${base64('orders.list').replace('b3Jk', 'b3Jk ')}`]],
      ['a tool with a byte order mark', LIST, [`Mcp-Name: ${base64('\ufefforders.list')}`]],
      ['a code that is no UTF-8', LIST, [`Mcp-Name: ${base64(Buffer.from([0xff]))}`]],
      ['a code that is none', LIST, ['Mcp-Name: =?base64?=']],
      ['a tool in bytes of UTF-8', call('menü'), ['Mcp-Name: menü']],
      ['another prompt', prompt('a'), ['Mcp-Name: b']],
      ['a resource', '{"id":1,"method":"resources/read","params":{"uri":"a:b"}}', ['Mcp-Name: a:B']],
      ['a prompt without a name', '{"id":"x","method":"prompts/get","params":{}}', ['Mcp-Name: a']],
    ])('%s', async (_, body, lines) => {
      await disagrees(body, lines)
    })
  })
})

function prompt(name: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":${JSON.stringify(name)}}}`
}

describe('over HTTP/1.1 only', () => {
  let stack: Stack
  let head: readonly string[]
  beforeAll(async () => {
    stack = stackOf('HTTP/1.1')
    head = ['Host: app.example', `Authorization: Bearer ${await stack.issuer.mint({ scope: 'mcp:use' })}`]
  })

  const chunked = (lines: readonly string[], chunks: readonly string[], trailers = ''): string =>
    `${['POST /mcp HTTP/1.1', ...head, ...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${chunks
      .map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      .join('')}0\r\n${trailers}\r\n`

  test('a body in chunks is one, and its trailers are left out', async () => {
    const reached = await stack.forwarded(async () => {
      const reply = await stack.exchange(chunked([JSON_TYPE], [...LIST], 'Mcp-Name: orders.delete\r\n'))
      expect(reply?.status).toBe(200)
    })
    expect(reached.endsWith(`\r\n\r\n${LIST.length.toString(16)}\r\n${LIST}\r\n0\r\n\r\n`)).toBe(true)
    expect(reached).not.toContain('orders.delete')
  })

  test('a call in chunks is judged as a whole', async () => {
    await stack.refuses(chunked([JSON_TYPE], [...DELETE]), 'scope_missing')
    await stack.refuses(chunked([JSON_TYPE], [LIST, DELETE]), 'request_malformed')
    const blanks = ' '.repeat(MAX_BODY_BYTES - LIST.length)
    expect((await stack.exchange(chunked([JSON_TYPE], [LIST, blanks])))?.status).toBe(200)
    await stack.refuses(chunked([JSON_TYPE], [LIST, `${blanks} `]), 'body_too_large')
  })

  test('nothing of a body reaches the service before its end has come', async () => {
    const reached = await stack.forwarded(async () => {
      const wire = openWire(stack.port)
      wire.write(`${['POST /mcp HTTP/1.1', ...head, JSON_TYPE, `Content-Length: ${LIST.length}`].join('\r\n')}\r\n\r\n`)
      wire.write(LIST.slice(0, -1))
      await stack.control()
      wire.end()
    })
    expect(reached).not.toContain('/mcp')
  })

  test('a client that waits for permission gets it, and is judged', async () => {
    const wire = openWire(stack.port)
    const lines = [JSON_TYPE, 'Expect: 100-continue', `Content-Length: ${LIST.length}`]
    wire.write(`${['POST /mcp HTTP/1.1', ...head, ...lines].join('\r\n')}\r\n\r\n`)
    expect(await wire.reply()).toMatchObject({ status: 100 })
    wire.write(LIST)
    expect(await wire.reply()).toMatchObject({ status: 200 })
    wire.end()
  })

  test.each(['GET', 'POST'])('%s gets no tunnel through which nobody could see calls', async method => {
    const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    const bytes = `${[`${method} /mcp HTTP/1.1`, ...head, ...lines, key].join('\r\n')}\r\n\r\n`
    const reached = await stack.forwarded(async () => {
      expect((await stack.exchange(bytes))?.status).toBe(400)
    })
    expect(reached).toBe('')
  })

  test('a body that has come meanwhile is not taken for the next request', async () => {
    const wire = openWire(stack.port)
    const smuggled = `${['POST /mcp HTTP/1.1', ...head, JSON_TYPE, `Content-Length: ${DELETE.length}`].join('\r\n')}\r\n\r\n${DELETE}`
    const body = call('orders.list', `,"x":${JSON.stringify(smuggled)}`)
    wire.write(
      `${['POST /mcp HTTP/1.1', ...head, JSON_TYPE, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`,
    )
    wire.write(smuggled)
    expect(await wire.reply()).toMatchObject({ status: 200 })
    expect(await wire.reply()).toMatchObject({ status: 403 })
    wire.end()
  })
})
