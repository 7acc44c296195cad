/** Tests that mistakes of people who come from other products are told with what to write here. */
import { describe, expect, test } from 'vitest'
import { problemsOf, SMALL } from '../support.ts'

const PROVIDER = (members: string) => SMALL.replace(/main: \{.*\}/, `main: { ${members} }`)
const JWT = 'type: jwt, issuer: "https://auth.example.com/", audiences: [a]'
const route = (members: string) => SMALL.replace(/- \{.*\}/, `- { ${members} }`)

describe('a key of another product', () => {
  test.each([
    [`port: 8080\n${SMALL}`, 'port: is not a known key. Write `listen: 0.0.0.0:8080`.'],
    [`host: 0.0.0.0\n${SMALL}`, 'host: is not a known key. Write `listen: 0.0.0.0:8080`.'],
    [`logLevel: debug\n${SMALL}`, 'logLevel: is not a known key. Write `log: { level: info }`.'],
    [`cookie_secret: x\n${SMALL}`, 'Cookies are sealed by a provider of `type: session`, with its `keyFiles`.'],
    [`version: 2\n${SMALL}`, 'version: is not a known key. The file has no version; leave it out.'],
    [
      `apiVersion: v1\n${SMALL}`,
      'This looks like a manifest of Kubernetes: the configuration is the text below `data`.',
    ],
    [`"// a": 1\n${SMALL}`, 'A comment begins with `#`.'],
    [PROVIDER(`${JWT}, jwks_uri: x`), 'Write `keys: { jwksUri: … }`, or leave it out: it is discovered by `issuer`.'],
    [PROVIDER(`${JWT}, clientID: x`), 'A provider of `type: session` or `introspection` has `client: { id: … }`.'],
    [route('id: a, prefix: /a'), 'Write `path: /orders/**` for all paths below `/orders`.'],
    [route('id: a, path: /a, public: true'), 'Write `access: public` for a route without tokens'],
    [route('id: a, path: /a, host: x'), 'Routes are told apart by path and method only.'],
  ])('%#: what to write is told', (text, message) => {
    expect(problemsOf(text)).toContainEqual(expect.stringContaining(message))
  })
})

describe('what is missing or has another form is shown', () => {
  test.each([
    [SMALL.replace(/^listen: .*\n/m, ''), 'listen: is missing; write `listen: 0.0.0.0:8080`'],
    [SMALL.replace(/^listen: .*$/m, 'listen: 8080'), 'is no address to listen on; write `0.0.0.0:8080`'],
    [SMALL.replace(/^listen: .*$/m, 'listen: :8080'), 'is no address to listen on; write `0.0.0.0:8080`'],
    [SMALL.replace(/^listen: .*$/m, 'listen: "http://*:8080"'), 'is no address to listen on; write `0.0.0.0:8080`'],
    [SMALL.replace(/^listen: .*$/m, 'listen: http://10.1.2.3:80/'), 'is no address to listen on; write `10.1.2.3:80`'],
    [SMALL.replace(/app: .*/, 'app: 3000'), 'upstreams.app: is no URL; write `http://127.0.0.1:3000`'],
    [route('id: a'), 'routes[0].path: is missing; write `path: /orders/**`'],
    [route('path: /a'), 'routes[0].id: is missing; write `id: orders`'],
    [route('id: a, path: /a, require: scopes'), 'not text; write `require: { scopes: [orders:read] }`'],
    [
      route('id: a, path: /a, require: { scopes: ["a b"] }'),
      'is no scope; a scope is printable ASCII without blanks, `"` and `\\`; write `[a, b]`',
    ],
    [route('id: a, path: /a, methods: ["*"]'), 'is no method; leave `methods` out for all of them'],
    [`${SMALL}log: debug\n`, 'log: must be a block of keys, not text; write `log: { level: info }`'],
    ['hello', 'must be a block of keys, not text; write `listen: 0.0.0.0:8080`'],
  ])('%#', (text, message) => {
    expect(problemsOf(text)).toContainEqual(expect.stringContaining(message))
  })

  test.each([
    ['30', '30s'],
    ['30 s', '30s'],
    ['1 hour', '1h'],
    ['2days', '48h'],
    ['0.5s', '500ms'],
    ['PT30S', '30s'],
  ])('a duration of %s is written %s', (written, meant) => {
    expect(problemsOf(`${SMALL}drain: { timeout: ${written} }\n`)).toEqual([
      `8:19 drain.timeout: must be a duration with a unit, like \`250ms\`, \`30s\`, \`5m\`, \`24h\`; write \`${meant}\``,
    ])
  })

  test.each([
    ['10 MB', '10MiB'],
    ['10M', '10MiB'],
    ['512k', '512KiB'],
    ['1.5 MiB', '1536KiB'],
  ])('a size of %s is written %s', (written, meant) => {
    expect(problemsOf(`${SMALL}limits: { bodyBytes: ${written} }\n`)).toEqual([
      `8:22 limits.bodyBytes: must be a size with a unit, like \`512B\`, \`16KiB\`, \`1MiB\`; write \`${meant}\``,
    ])
  })

  test.each(['soon', '1h30m', '-1s', '99999999999999s', '0.0001s'])('nothing is guessed of %s', written => {
    expect(problemsOf(`${SMALL}drain: { timeout: ${written} }\n`)).toEqual([
      '8:19 drain.timeout: must be a duration with a unit, like `250ms`, `30s`, `5m`, `24h`',
    ])
  })
})

describe('an issuer', () => {
  test.each([
    [
      'https://auth.example.com/.well-known/openid-configuration',
      'is where its metadata is; write what they call `issuer`, mostly `https://auth.example.com`',
    ],
    ['$ISSUER', `is no URL; a variable of the environment is written \`\${ISSUER}\``],
    ['%ISSUER%', `is no URL; a variable of the environment is written \`\${ISSUER}\``],
    ['{{ .Values.issuer }}', 'has a `{{ }}` that nobody has filled in; write the issuer itself'],
  ])('of %s is told as what it is', (issuer, message) => {
    const text = PROVIDER(`type: jwt, issuer: "${issuer}", audiences: [a]`)
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^3:\d+ providers\.main\.issuer: /)])
    expect(problemsOf(text)[0]).toContain(message)
  })
})

describe('YAML', () => {
  test.each([
    ['listen:127.0.0.1:0\nupstreams: {}\n', '1:1 a key ends with a colon and a blank; put a blank after the colon'],
    ['a: @b\n', '1:4 a value cannot begin with `@` here; put it in quotes'],
    ['a: %b\n', '1:4 a value cannot begin with `%` here; put it in quotes'],
    ['a: `b`\n', '1:4 a value cannot begin with ``` here; put it in quotes'],
    ['a: [*, b]\n', 'a value cannot begin with `*` here; put it in quotes'],
    ['a: { b: {{NAME}} }\n', 'a template is left here: fill in the `{{ }}`, or put it in quotes'],
    ['a:\n  b: c\n   d: e\n', 'the next line is indented otherwise, or a colon and a blank stand in a value'],
    ['a: b: c\n', 'the next line is indented otherwise, or a colon and a blank stand in a value'],
    ['a: [b\nc: d\n', 'look before here for a missing quote, `]` or `}`, or a wrong indentation'],
  ])('%j is told in words', (text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(message)])
  })
})
