/** Tests which origins a route lets in, and with which lines it tells browsers so. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { askedBy, type CorsRules, checkOrigin, cors } from '../../src/route/cors.ts'
import { refusalOf } from '../support/denied.ts'

const APP = 'https://app.example.com'

const RULES: CorsRules = {
  origins: ['https://app.example.com', 'https://*.preview.example', 'http://localhost:5173'],
  headers: ['authorization'],
  exposeHeaders: [],
  credentials: false,
  maxAgeSeconds: 600,
  enforceOrigin: false,
}

const corsOf = (rules: Partial<CorsRules> = {}) => cors({ ...RULES, ...rules })

/** @returns name → value, which must not be there twice */
function record(lines: readonly string[]): Readonly<Record<string, string>> {
  const names = lines.filter((_, index) => index % 2 === 0)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, index) => [name, lines[index * 2 + 1] ?? '']))
}

describe('an origin', () => {
  test.each([
    'https://app.example.com',
    'https://a.preview.example',
    'https://pr-7_x.preview.example',
    'https://xn--bcher-kva.preview.example',
    'http://localhost:5173',
  ])('%s is let in', origin => {
    expect(corsOf().grants(origin)).toBe(true)
  })

  test.each([
    '',
    'null',
    '*',
    'https://*.preview.example',
    'https://preview.example',
    'https://.preview.example',
    'https://a.b.preview.example',
    'https://a.preview.example.',
    'https://a.preview.example:443',
    'https://a.preview.example.evil',
    'https://apreview.example',
    'https://a.evil#.preview.example',
    'https://a/.preview.example',
    'https://a@.preview.example',
    'https://a:1.preview.example',
    'https://%61.preview.example',
    'https://A.preview.example',
    'https://ä.preview.example',
    'https://a b.preview.example',
    'https://a\n.preview.example',
    'http://a.preview.example',
    'https://app.example.com/',
    'https://app.example.com.evil',
    'https://evilapp.example.com',
    'http://localhost:5174',
    'http://localhost',
    ' https://app.example.com',
  ])('%j is not let in', origin => {
    expect(corsOf().grants(origin)).toBe(false)
  })

  test('is any with `*`, and none without a list', () => {
    expect(corsOf({ origins: ['*'] }).grants('https://anybody.example')).toBe(true)
    expect(corsOf({ origins: ['*'] }).grants('null')).toBe(true)
    expect(corsOf({ origins: [] }).grants('https://anybody.example')).toBe(false)
  })

  /** The same, as it would be told to a child: split at dots, and compare. */
  function isLetIn(pattern: string, origin: string): boolean {
    if (!pattern.includes('*')) return pattern === origin
    const [patternScheme, patternHost = ''] = pattern.split('://')
    const [scheme, host = '', ...more] = origin.split('://')
    if (patternScheme !== scheme || more.length > 0) return false
    const [first = '', ...labels] = host.split('.')
    const [, ...wanted] = patternHost.split('.')
    const isLabel = first !== '' && [...first].every(char => 'abcdefghijklmnopqrstuvwxyz0123456789-_'.includes(char))
    return isLabel && labels.join('.') === wanted.join('.')
  }

  const host = fc
    .array(fc.constantFrom('a', 'b', 'ab', 'A', '', '-', '*', 'a:1', 'a/b', 'a@b', 'ä'), { minLength: 1, maxLength: 4 })
    .map(labels => labels.join('.'))
  const origin = fc
    .tuple(fc.constantFrom('https', 'http', 'HTTPS'), host, fc.constantFrom('', '', '', ':8443', '/', '.', ' '))
    .map(([scheme, name, end]) => `${scheme}://${name}${end}`)
  const pattern = fc
    .tuple(
      fc.constantFrom('https', 'http'),
      fc.constantFrom('', '*.'),
      fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('', '', ':8443'),
    )
    .map(([scheme, star, labels, port]) => `${scheme}://${star}${labels.join('.')}${port}`)

  test('is let in by a list as a look at each of its entries says', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), origin, (origins, asking) => {
        expect(corsOf({ origins }).grants(asking)).toBe(origins.some(each => isLetIn(each, asking)))
      }),
      { numRuns: 3000 },
    )
  })

  test('with one label in place of a `*` is let in, and with any other text only if that is a label', () => {
    fc.assert(
      fc.property(pattern, fc.string({ unit: 'grapheme' }), (each, text) => {
        const asking = each.replace('*', () => text)
        expect(corsOf({ origins: [each] }).grants(asking)).toBe(isLetIn(each, asking))
        if (each.includes('*')) expect(corsOf({ origins: [each] }).grants(each.replace('*', 'x-1'))).toBe(true)
      }),
    )
  })
})

describe('the lines of an answer', () => {
  const EXPOSED = 'WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, DPoP-Nonce'
  const asked = (origin: string | undefined) => ({ origin, isGrpcWeb: false })

  test('let the page read it, and name what it may read of the head', () => {
    expect(record(corsOf().answerLines(asked('https://a.preview.example')))).toEqual({
      'Access-Control-Allow-Origin': 'https://a.preview.example',
      'Access-Control-Expose-Headers': EXPOSED,
      Vary: 'Origin',
    })
    expect(
      record(corsOf({ credentials: true, exposeHeaders: ['ETag'] }).answerLines(asked('http://localhost:5173'))),
    ).toEqual({
      'Access-Control-Allow-Origin': 'http://localhost:5173',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Expose-Headers': `${EXPOSED}, ETag`,
      Vary: 'Origin',
    })
  })

  test.each([undefined, 'null', 'https://other.example', 'https://app.example.com, https://app.example.com'])(
    'to %s say that it varies, and no more',
    origin => {
      expect(record(corsOf({ credentials: true }).answerLines(asked(origin)))).toEqual({ Vary: 'Origin' })
    },
  )

  test('are the same for everybody with `*`', () => {
    const any = corsOf({ origins: ['*'] })
    const lines = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': EXPOSED }
    for (const origin of [undefined, 'null', 'https://a.example'])
      expect(record(any.answerLines(asked(origin)))).toEqual(lines)
  })

  test('let a page of gRPC-Web read the status', () => {
    const lines = corsOf().answerLines({ origin: 'https://app.example.com', isGrpcWeb: true })
    expect(record(lines)['Access-Control-Expose-Headers']).toBe(
      `${EXPOSED}, grpc-status, grpc-message, grpc-retry-pushback-ms`,
    )
  })

  test('are each caller’s own, however many have asked before', () => {
    const rules = corsOf()
    for (let round = 0; round < 2; round++)
      for (let count = 0; count < 250; count++) {
        const origin = `https://p${count}.preview.example`
        expect(record(rules.answerLines(asked(origin)))['Access-Control-Allow-Origin']).toBe(origin)
      }
  })

  test('of a preflight name methods and headers, and no headers where none may be sent', () => {
    expect(record(corsOf().preflightLines('https://app.example.com', ['PUT', 'GET']))).toEqual({
      'Access-Control-Allow-Origin': 'https://app.example.com',
      'Access-Control-Allow-Methods': 'PUT, GET',
      'Access-Control-Allow-Headers': 'authorization',
      'Access-Control-Max-Age': '600',
      Vary: 'Origin',
    })
    const bare = corsOf({ headers: [], origins: ['*'], maxAgeSeconds: 0 }).preflightLines('https://a.example', ['GET'])
    expect(record(bare)).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Max-Age': '0',
    })
  })
})

describe('who asks', () => {
  test.each<[string, readonly string[], ReturnType<typeof askedBy>]>([
    ['nobody', ['Host', 'a'], { origin: undefined, isGrpcWeb: false }],
    ['a page', ['ORIGIN', 'https://a.example'], { origin: 'https://a.example', isGrpcWeb: false }],
    ['an empty origin', ['Origin', ''], { origin: '', isGrpcWeb: false }],
    ['gRPC-Web', ['content-type', 'application/grpc-web-text'], { origin: undefined, isGrpcWeb: true }],
    ['gRPC', ['content-type', 'application/grpc'], { origin: undefined, isGrpcWeb: false }],
    ['another header of that length', ['Accept', 'null', 'orig_n', 'x'], { origin: undefined, isGrpcWeb: false }],
  ])('%s', (_, rawHeaders, expected) => {
    expect(askedBy(rawHeaders)).toEqual(expected)
  })

  test('cannot be two', () => {
    const ask = () => askedBy(['Origin', 'https://a.example', 'origin', 'https://a.example'])
    expect(ask).toThrow(Denial)
    expect(ask).toThrow('request_malformed')
  })
})

describe('an origin that is enforced', () => {
  test.each(['https://b.example', 'null', '', `${APP}/`])('refuses %j', origin => {
    expect(refusalOf(() => checkOrigin(cors({ ...RULES, enforceOrigin: true }), origin))).toBe('origin_forbidden')
  })

  test('lets in what is listed, and who is no page', () => {
    for (const origin of [APP, undefined])
      expect(refusalOf(() => checkOrigin(cors({ ...RULES, enforceOrigin: true }), origin))).toBe(undefined)
  })

  test('is not, unless the route says so', () => {
    expect(refusalOf(() => checkOrigin(cors(RULES), 'https://b.example'))).toBeUndefined()
  })
})
