/** Tests that a condition which is not accepted is told at its own place in the file, with the remedy. */
import { describe, expect, test } from 'vitest'
import { errorOf, load, problemsOf, SMALL } from '../support.ts'

const HEAD = SMALL.slice(0, SMALL.indexOf('routes:'))

/** @param when as YAML, in a block of its own */
const file = (when: string, path = '/t/:tenant/**') =>
  `${HEAD}routes:\n  - id: all\n    path: ${path}\n    require:\n      when: ${when}\n`
const problem = (text: string, path?: string) => problemsOf(file(JSON.stringify(text), path))[0] ?? ''

describe('the place of a problem', () => {
  test.each([
    ['a plain text', 'claims.a == params.tennant', '10:32'],
    ['a quoted text', "'claims.a == params.tennant'", '10:33'],
    ['a text in double quotes', '"claims.a == params.tennant"', '10:33'],
    ['a block of lines', '|\n        claims.a == "b" &&\n        claims.a == params.tennant', '12:28'],
    ['a folded block', '>-\n        claims.a == "b" &&\n        claims.a == params.tennant', '12:28'],
    ['a block whose indentation is told', '|2-\n          claims.a ==\n         params.tennant', '12:17'],
    [
      'lines that end with a return',
      '|\r\n        claims.a == "b" &&\r\n        claims.a == params.tennant\r',
      '12:28',
    ],
    ['a plain text of two lines', 'claims.a == "b" &&\n        claims.a == params.tennant', '11:28'],
    ['a text with escapes', '"\\"b\\" == claims.a \\u0026& claims.a == \\x70arams.tennant"', '10:62'],
    ['a text with quotes', "'claims.a == ''b'' && claims.a == params.tennant'", '10:54'],
    ['a text in double quotes that goes on', '"claims.a == \\\n        params.tennant"', '11:16'],
    ['a text with an anchor', '&own claims.a == params.tennant', '10:37'],
    ['a list', '\n        - claims.a == "b"\n        - claims.a == params.tennant', '12:30'],
    ['conditions with names', '\n        good: claims.a == "b"\n        own: claims.a == params.tennant', '12:33'],
  ])('in %s is that of the part', (_, when, place) => {
    const [found = ''] = problemsOf(file(when))
    expect(found).toContain('there is no `tennant`; `params` has the parameters of the path of this route')
    expect(found.split(' ')[0]).toBe(place)
  })

  test('in a text that is put together from the environment is that of the whole', () => {
    const found = problemsOf(file(`"\${PART} == params.tennant"`), { PART: 'claims.a' })
    expect(found[0]).toMatch(/^10:13 /)
  })

  test('is shown in its line', () => {
    expect(errorOf(file('claims.a == params.tennant')).message).toContain('\n')
    expect(errorOf(file('claims.a == params.tennant')).message).toMatch(/when: claims\.a == params\.tennant\n.* {2,}\^/)
  })
})

describe('what a clumsy hand writes is told with the remedy', () => {
  test.each([
    ['claims.a = "b"', 'comparisons are written `==`'],
    ['claims.a == "b" and claims.c == "d"', '`&&`'],
    ['claims.a == "b" or claims.c == "d"', '`||`'],
    ['not claims.a', '`!`'],
    ['claims.a == "b" & claims.c == "d"', '`&&`'],
    ['claims.a == "b" | claims.c == "d"', '`||`'],
    ['claims.roles contains "x"', '`"x" in claims.roles`'],
    ['roles.contains("x")', '`"x" in roles`'],
    ['now.hour > 7', 'has no members; ask with a method, as in `now.getHours'],
    ['(now - duration("1h"))["hour"] > 7', 'has no members'],
    ['claims.a === "b"', 'comparisons are written `==`'],
    ['claims.a == “b”', 'straight quotes'],
    ['claims.a', 'must say true or false, and is of type dyn; compare it, as in `claims.admin == true`'],
    ['"a"', 'must say true or false, and is of type string'],
    ['tenant == "a"', 'there is no variable `tenant`; there are claims,'],
    ['request.host == "a"', 'there is no `host`'],
    ['claims.a == "b', 'cannot be read'],
  ])('%s', (text, remedy) => {
    expect(problem(text)).toContain(remedy)
  })
})

describe('the fence', () => {
  const many = (part: string, times: number) => Array(times).fill(part).join(', ')
  test.each([
    ['claims.a.matches("x")', 'is a regular expression'],
    ['dyn(claims.a) == 1', '`dyn` is no function of conditions; there are has, size, string'],
    ['int(claims.a) == 1', '`int` is no function of conditions'],
    ['claims.a.map(x, x) == []', '`map` is no function of conditions'],
    ['{"a": 1} == claims.a', 'is a map'],
    ['claims.?a == 1', 'is asked for by `has(...)`'],
    [`claims.a in [${many('1', 65)}]`, 'has more than 64 elements'],
    [
      `claims.a in [${many('1', 64)}] || ${Array(64).fill('claims.b').join(' == "" || ')} == ""`,
      'has more than 200 parts',
    ],
    [`${'!'.repeat(21)}(claims.a == 1)`, 'is nested more than 20 deep'],
    ['claims.a == 9007199254740993', 'is too large to be compared exactly'],
    ['claims.a == b"x"', 'is of a type that no claim has'],
    ['claims.a in claims.b', 'may look for a list in a claim'],
    ['claims.a + claims.b == "x"', 'needs a number or a text that is written here'],
    ['-claims.a == 1', 'can only be the sign of a number'],
    ['claims.a / claims.b == 1.0', 'can only be by a number above 0'],
    ['claims.a.contains(params.tenant)', 'can only look for a text that is written here'],
    ['now > timestamp(claims.a)', 'must be an instant that is written here'],
    ['now > timestamp("soon")', 'must be an instant that is written here'],
    ['now - duration("1 day") > now', 'must be written here in hours'],
    ['now.getHours(claims.zone) > 1', 'must name a time zone'],
    ['now.getHours("Mars/Base") > 1', 'must name a time zone'],
    ['has(claims["a"])', 'asks for a member'],
    ['claims.a.exists(x, claims.b.exists(y, x == y))', 'stands inside of another one'],
    ['claims.a.exists(scopes, scopes == "x")', 'calls its element `scopes`'],
    ['(claims.a + "x").exists(x, x == "a")', 'must be a claim'],
    ['claims.a.exists(x, x == claims.b)', ''],
    ['claims.a.exists(x, claims.b == claims.c)', 'asks nothing of `x`; write it outside'],
    ['request.headers["X-Tenant"] == "a"', 'names are in lower case here'],
    ['request.headers["authorization"] == "a"', 'carries a credential'],
    ['request.headers["cookie"] == "a"', 'carries a credential'],
    ['request.headers[claims.a] == "a"', 'must name one header'],
    ['size(request.headers) > 1', 'must name one header'],
    ['[request].all(r, !("x-tenant" in r.headers))', 'must name what it reads'],
    ['(claims.a ? request : request).path == "/"', 'must name what it reads'],
    ['request == request', 'must name what it reads'],
    ['request["method"] == "GET" && has(request.path)', ''],
  ])('%s', (text, message) => {
    if (message === '') expect(() => load(file(JSON.stringify(text)))).not.toThrow()
    else expect(problem(text)).toContain(message)
  })

  test('a parameter of a path without one is told so', () => {
    expect(problem('params.id == "a"', '/t')).toContain('the path of the route has none; write one as `:name`')
  })
})

describe('the conditions of a route together', () => {
  const each = (text: string, times: number) => file(`[${Array(times).fill(JSON.stringify(text)).join(', ')}]`)

  test.each([
    ['claims.a.exists(x, x == 1)', 4, 'visits 5 lists, and a route may visit 4'],
    ['claims.a == 1 || claims.b == 2', 22, 'parts in all, and a route may have 200'],
  ])('%s may stand there %i times', (text, times, message) => {
    expect(() => load(each(text, times))).not.toThrow()
    expect(problemsOf(each(text, times + 1))).toEqual([expect.stringContaining(message)])
  })
})

describe('the shape of `when`', () => {
  test.each([
    ['[]', 'must not be empty'],
    ['{}', 'must not be empty'],
    ['""', 'must not be empty'],
    ['3', ''],
    ['{ "a b": "true" }', ''],
    [JSON.stringify('true || '.repeat(600)), 'is longer than 4096 characters'],
  ])('%s', (when, message) => {
    expect(problemsOf(file(when))[0]).toContain(message)
  })

  test('takes one text, a list, or texts by name, of whatever lines', () => {
    const names = (when: string) => load(file(when)).routes[0]?.require?.when?.map(({ name }) => name)
    expect(names("'true'")).toEqual(['when'])
    expect(names("['true', 'false']")).toEqual(['when[0]', 'when[1]'])
    expect(names("{ own-tenant: 'true' }")).toEqual(['own-tenant'])
  })
})

describe('a header that is removed from every request', () => {
  const removed = 'is removed from every request'
  test.each([
    ['x-auth-subject', '', removed],
    ['x-user', 'identity: { headers: { X-User: sub } }', removed],
    ['x_user', 'identity: { headers: { X-User: sub } }', removed],
    ['x-auth-subject', 'identity: { headers: { X-User: sub } }', ''],
    ['x-internal-plan', 'identity: { reserved: [X-Internal-*] }', removed],
    ['x-access', 'credentials: [authorization, { header: X-Access }]', removed],
    ['client-cert', '', 'carries a credential'],
    ['x-forwarded-client-cert', '', 'carries a credential'],
    ['x-tenant', 'identity: { reserved: [X-Internal-*] }', ''],
  ])('%s cannot be read by a condition beside {%s}', (name, section, message) => {
    const text = `${section}\n${file(JSON.stringify(`request.headers["${name}"] == "admin"`))}`
    if (message === '') expect(() => load(text)).not.toThrow()
    else expect(problemsOf(text)[0]).toContain(message)
  })
})
