/** Tests how problems are printed: places, frames, masked secrets. */
import { describe, expect, test } from 'vitest'
import { errorOf, SMALL } from '../support.ts'

const JWT = `eyJhbGciOiJIUzI1NiJ9.${'a1'.repeat(30)}.${'b2'.repeat(20)}`

test('a problem is printed with its place, its line and a caret, and the lines around it', () => {
  expect(errorOf(SMALL.replace('type: jwt', 'type: jwt, audience: x')).message).toBe(
    [
      '/etc/sallyport/sallyport.yaml:3:22 providers.main.audience: is not a known key. Did you mean "audiences"?',
      '  2 | providers:',
      '> 3 |   main: { type: jwt, audience: x, issuer: https://auth.example.com/, audiences: [https://api.example.com] }',
      '    |                      ^',
      '  4 | upstreams:',
    ].join('\n'),
  )
})

test('problems carry their line and column for tools', () => {
  expect(errorOf(SMALL.replace('path: /**', 'path: x')).problems).toEqual([
    { path: ['routes', 0, 'path'], message: 'a path starts with "/"', line: 7, column: 22 },
  ])
})

test('a long line is cut around the caret', () => {
  const padding = ' '.repeat(300)
  const lines = errorOf(`${SMALL}log: {${padding}levle: info,${padding}}\n`).message.split('\n')
  const [line = '', caret = ''] = lines.slice(-2)
  expect(line.length).toBeLessThan(130)
  expect(line.slice(caret.indexOf('^'))).toBe('levle: info,…')
})

test('what is cut off a line is marked, at both ends, and the lines around it are shown from their beginning', () => {
  const long = `log: { x: "${'a'.repeat(100)} ${'b'.repeat(40)}", levle: info, y: "${'c'.repeat(100)}" }`
  const { message } = errorOf(`${SMALL}${long}\ndrain: { timeout: 1s }\n`)
  const [before = '', line = '', caret = '', after = ''] = message.split('\n\n')[1]?.split('\n').slice(1) ?? []
  expect(before).toBe('  7 |   - { id: all, path: /** }')
  expect(line).toMatch(/^> 8 \| …a+ b+", levle: info, y: "c+…$/)
  expect(line.slice(caret.indexOf('^'))).toMatch(/^levle/)
  expect(after).toBe('  9 | drain: { timeout: 1s }')
})

test('a line that fits is shown whole, wherever the problem stands in it', () => {
  const line = `upstreams: { app: http://127.0.0.1:3000, another: "http://127.0.0.1:30000", third: nowhere at all }`
  const text = SMALL.replace('upstreams:\n  app: http://127.0.0.1:3000\n', `${line}\n`).replace(
    'path:',
    'upstream: app, path:',
  )
  expect(errorOf(text).message).toContain(`> 4 | ${line}\n`)
})

test('a tab that indents is shown, and told what to write in its place', () => {
  expect(errorOf(SMALL.replace('  app:', '\tapp:')).message).toBe(
    [
      '/etc/sallyport/sallyport.yaml:5:1 YAML is not indented with tabs (`→`); use blanks',
      '  4 | upstreams:',
      '> 5 | →app: http://127.0.0.1:3000',
      '    | ^',
      '  6 | routes:',
    ].join('\n'),
  )
})

test('thousands of problems are counted, not printed', () => {
  const routes = Array.from({ length: 3_000 }, (_, index) => `  - { id: r${index}, path: x }\n`).join('')
  const error = errorOf(SMALL + routes)
  expect(error.problems).toHaveLength(3_000)
  expect(error.message).toMatch(/… and 2950 more problems$/)
})

test('control characters of the file cannot reach the terminal', () => {
  expect(errorOf(`${SMALL}"\\e[31m\u202ered": 1 # \u009b31m\u001b[31m\n`).message).not.toMatch(/\p{Cf}|(?!\n)\p{Cc}/u)
})

describe('what looks like a secret is masked in the quoted lines', () => {
  test.each([
    ['a value under a telling key', 'clientSecret: marked'],
    ['a quoted value with blanks', 'password: "marked and marked"'],
    ['a value among others', 'x: { apiKey: marked, y: 1 }'],
    ['a block', 'client_secret: |\n  marked\n  marked'],
    ['a value on the next line', 'token:\n  marked'],
    ['a value in braces', 'my_token: { marked: 1 }'],
    ['a secret within settings', 'token:\n  issuer: a\n  secret: marked'],
    ['a secret within settings in braces', 'token: { issuer: a, password: marked }'],
    ['a value in a list', 'x:\n  - secret: marked\n    y: 1'],
    ['credentials of a URL', 'x: https://user:marked@example.com/'],
    ['credentials with a sign of their own', 'x: https://user:marked@marked/marked@example.com/'],
    ['the query of a URL', 'x: https://example.com/introspect?api=marked&x=marked'],
    ['the query of a URL in quotes', 'x: { y: "https://example.com/?marked,marked", z: 1 }'],
    ['a private member of a key', `x: { kty: RSA, d: marked${'A'.repeat(20)} }`],
    ['a private member in JSON', `x: {"kty":"oct", "k": "marked${'A'.repeat(20)}"}`],
    ['a token', `x: ${JWT.replaceAll('a1a1', 'marked1')}`],
    ['a PEM block', `x: |\n  -----BEGIN PRIVATE KEY-----\n  ${'marked1A'.repeat(8)}`],
  ])('%s', (_, lines) => {
    const { message } = errorOf(`${SMALL}unknown: 1\n${lines}\nunknown2: 2\n`)
    expect(message).not.toContain('marked')
    expect(message).toContain('•')
  })

  test('also where the file is no YAML', () => {
    expect(errorOf('a: [\npassword: "marked\nb: }').message).not.toContain('marked')
  })

  test.each([
    'identity:\n  token:\n    issuer: https://a.example/\n    keysDir: signing\n',
    'identity: { token: { issuer: https://a.example/, keysDir: signing } }\n',
    'credentials:\n  - authorization\n  - { header: X-Token }\n',
    'credentials: [authorization, { header: X-Token }]\n',
  ])('but blocks of settings that have such a name are left: %j', block => {
    const { message } = errorOf(`${SMALL}unknown: 1\n${block}unknown2: 2\n`)
    expect(message).toContain(block.split('\n').at(-2))
    expect(message).not.toContain('•')
  })

  test('but keys that only sound like it are left', () => {
    const { message } = errorOf(`${SMALL}identity: { forwardToken: false, x: 1 }\nlimits: { tokenBytes: 1KiB, y: 1 }\n`)
    expect(message).not.toContain('•')
  })
})
