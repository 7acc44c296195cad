/** Tests that the loader never fails on any text but with problems that have a place and can be read. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's references to the environment look so.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'
import { CONTRACT } from '../contract.ts'
import { SMALL } from '../support.ts'

/** Loads a text and checks what must hold of every problem. Anything thrown but a ConfigError fails the property. */
function loadHostile(text: string): void {
  try {
    loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env: { HOME: '/', N: '1' } })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const lines = text.replace(/^\ufeff/, '').split('\n')
    expect(error.problems.length).toBeGreaterThan(0)
    for (const { line = 0, column = 0, message } of error.problems) {
      expect(line).toBeGreaterThanOrEqual(1)
      expect(line).toBeLessThanOrEqual(lines.length)
      expect(column).toBeGreaterThanOrEqual(1)
      expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1)
      expect(message).not.toMatch(/invalid input|\[object|undefined|^$/i)
      expect(message.length).toBeLessThan(400)
    }
  }
}

const fragment = fc.constantFrom(
  ...[
    'listen',
    'routes',
    'providers',
    'main',
    'keys',
    'jwks',
    'require',
    'claims',
    '*',
    '&a ',
    '*a',
    '!!map ',
    '<<',
    '${N}',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    ': ',
    ', ',
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    '|\n',
    '>-\n',
    '"',
    "'",
    '#',
    '? ',
    '---\n',
    '...\n',
    '\t',
  ],
  ...['%YAML 1.2\n', '${', '$${', '\r\n', '\0', '\u2028', '__proto__', 'null', '.nan', '0x', '1e999', '~'],
)

test('no text makes the loader fail in another way than with its problems', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), loadHostile), { numRuns: 300 })
  fc.assert(
    fc.property(
      fc.array(fragment, { maxLength: 40 }).map(parts => parts.join('')),
      loadHostile,
    ),
    { numRuns: 700 },
  )
})

test('a problem is on its own line even where the parser has lost count of them', () => {
  loadHostile('*a[---\n$${\n    listen')
})

test('no damage to a good file does', () => {
  const damage = fc.record({
    text: fc.constantFrom(SMALL, CONTRACT),
    at: fc.nat(CONTRACT.length),
    cut: fc.nat(12),
    insert: fc.oneof(fragment, fc.string({ maxLength: 5 })),
  })
  const damaged = damage.map(({ text, at, cut, insert }) => text.slice(0, at) + insert + text.slice(at + cut))
  fc.assert(fc.property(damaged, loadHostile), { numRuns: 700 })
})

test('no value in the place of another does', () => {
  const keys = ['listen', 'admin', 'providers', 'upstreams', 'identity', 'limits', 'tokenCache', 'log', 'routes']
  const inner = [
    ...['id', 'path', 'require', 'claims', 'keys', 'jwks', 'headers', 'tls', 'type', 'issuer', 'algorithms', 'main'],
    ...['exists', 'all', 'url', 'address', '__proto__', 'constructor', 'secretFile', 'methods', 'access'],
  ]
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(
        null,
        true,
        0,
        -1,
        1e308,
        'jwt',
        'public',
        '/',
        '/a/:b',
        'http://a',
        'unix:x',
        'RS256',
        'HS256',
        '',
      ),
      fc.string({ unit: 'binary', maxLength: 10 }),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...inner), tie('any'), { maxKeys: 5 }),
    ),
  })).any
  const file = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 9 })
  fc.assert(
    fc.property(file, content => loadHostile(stringify(content, { aliasDuplicateObjects: false }))),
    { numRuns: 700 },
  )
})
