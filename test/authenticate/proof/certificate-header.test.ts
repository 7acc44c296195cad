/** A trusted proxy names the client's certificate in one header, by the grammar of that header and by nothing else. */
import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { certificateElements } from '../../../src/authenticate/proof/certificate-elements.ts'
import { type CertificateHeader, certificateHeader } from '../../../src/authenticate/proof/certificate-header.ts'
import { Denial } from '../../../src/errors.ts'
import { testAuthority } from '../../support/certificates.ts'
import { factsOf } from '../../support/facts.ts'

const authority = testAuthority()
afterAll(authority.remove)

const PROXY = '10.0.0.1'
const MINE = shapesOf(authority.selfSigned('mine').cert)
const OTHER = shapesOf(authority.selfSigned('other').cert)

function shapesOf(pem: string) {
  const { raw } = new X509Certificate(pem)
  const digest = createHash('sha256').update(raw)
  const hash = digest.copy().digest('hex')
  const base64 = raw.toString('base64')
  return {
    raw,
    pem,
    hash,
    base64,
    item: `:${base64}:`,
    encoded: encodeURIComponent(pem),
    thumbprint: digest.digest('base64url'),
  }
}

const ITEM: CertificateHeader = { name: 'Client-Cert', format: 'rfc9440' }
const PEM: CertificateHeader = { name: 'X-Client-Cert', format: 'pem' }
const forwarded = (hops = 1): CertificateHeader => ({ name: 'X-Forwarded-Client-Cert', format: 'xfcc', hops })

/** Returns what is read: a thumbprint, nothing, or the reason of the refusal. */
function read(header: CertificateHeader, lines: readonly string[], address: string | undefined = PROXY) {
  const reader = certificateHeader({ header, trusts: each => each === PROXY })
  const facts = factsOf({ rawHeaders: ['Host', 'a', ...lines], peer: { address, protocol: 'http' } })
  try {
    return reader(facts)
  } catch (error) {
    if (error instanceof Denial && error.code === 'request_malformed') return { refused: error.evidence?.problem }
    throw error
  }
}

const named = (header: CertificateHeader, value: string) => read(header, [header.name, value])

describe.each([
  ['Client-Cert', ITEM, MINE.item, OTHER.item],
  ['X-Forwarded-Client-Cert', forwarded(), `Hash=${MINE.hash}`, `Hash=${OTHER.hash}`],
  ['a header with PEM', PEM, MINE.encoded, OTHER.encoded],
])('%s', (_name, header, mine, other) => {
  test.each([header.name, header.name.toLowerCase(), header.name.toUpperCase()])('is believed as %s', name => {
    expect(read(header, [name, mine])).toBe(MINE.thumbprint)
  })

  test('is believed from a trusted proxy only', () => {
    expect(read(header, [header.name, mine], '10.0.0.2')).toBeUndefined()
    expect(read(header, [header.name, 'nonsense', header.name, mine], '10.0.0.2')).toBeUndefined()
  })

  test.each(['_', '.', '~'])('means nothing with %s for its hyphens, and is no second line then', separator => {
    const alias = header.name.replaceAll('-', separator)
    expect(read(header, [alias, mine])).toBeUndefined()
    expect(read(header, [alias, other, header.name, mine, alias.toLowerCase(), other])).toBe(MINE.thumbprint)
  })

  test('is refused in two lines, also if they agree', () => {
    expect(read(header, [header.name, mine, header.name.toLowerCase(), mine])).toEqual({
      refused: 'more than one line',
    })
    expect(read(header, [header.name, mine, header.name, ''])).toEqual({ refused: 'more than one line' })
  })

  test('is no certificate when it is not there', () => {
    expect(read(header, [])).toBeUndefined()
  })

  test('is read anew when its value changes', () => {
    const reader = certificateHeader({ header, trusts: () => true })
    const ask = (value: string) => reader(factsOf({ rawHeaders: [header.name, value] }))
    expect([ask(mine), ask(mine), ask(other), ask(mine)]).toEqual([
      MINE.thumbprint,
      MINE.thumbprint,
      OTHER.thumbprint,
      MINE.thumbprint,
    ])
    expect(() => ask('=')).toThrow(Denial)
    expect(ask(mine)).toBe(MINE.thumbprint)
  })

  test('is refused or read, whatever stands in it', () => {
    const near = fc
      .tuple(fc.nat(mine.length), fc.nat(8), fc.string({ maxLength: 8 }))
      .map(([at, removed, added]) => mine.slice(0, at) + added + mine.slice(at + removed))
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), near), value => {
        const found = named(header, value)
        if (typeof found === 'string') expect(found).toMatch(/^[A-Za-z0-9_-]{43}$/)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('RFC 9440 §2.2: Client-Cert', () => {
  test.each([
    ['without colons', MINE.base64],
    ['with one colon', `:${MINE.base64}`],
    ['empty', ''],
    ['one colon', ':'],
    ['an empty byte sequence', '::'],
    ['a list', `${MINE.item}, ${OTHER.item}`],
    ['a list of one and nothing', `${MINE.item},`],
    ['with a parameter', `${MINE.item};a=1`],
    ['a string', `"${MINE.base64}"`],
    ['base64url', `:${MINE.raw.toString('base64url')}:`],
    ['without its padding', ':MAIBAA:'],
    ['with bits that no octet takes', ':MAA=:'.replace('AA=', 'AB=')],
    ['with a line break', `:${MINE.base64.slice(0, 64)}\r\n${MINE.base64.slice(64)}:`],
    ['with a blank', `:${MINE.base64.slice(0, 64)} ${MINE.base64.slice(64)}:`],
    ['PEM', `:${Buffer.from(MINE.pem).toString('base64')}:`],
    ['two certificates in one', `:${Buffer.concat([MINE.raw, OTHER.raw]).toString('base64')}:`],
    ['a certificate that is cut off', `:${MINE.raw.subarray(0, -3).toString('base64')}:`],
    ['with an octet behind the certificate', `:${Buffer.concat([MINE.raw, Buffer.of(0)]).toString('base64')}:`],
  ])('is refused: %s', (_what, value) => {
    expect(named(ITEM, value)).toEqual({ refused: expect.any(String) })
  })
})

describe('percent-encoded PEM', () => {
  test.each([
    ['as nginx writes it', encodeURIComponent(MINE.pem)],
    [
      'as AWS writes it',
      encodeURIComponent(MINE.pem).replaceAll('%2B', '+').replaceAll('%2F', '/').replaceAll('%3D', '='),
    ],
    ['with hexadecimal digits in lower case', encodeURIComponent(MINE.pem).replace(/%../g, each => each.toLowerCase())],
    ['with lines that end in CR LF', encodeURIComponent(MINE.pem.replaceAll('\n', '\r\n'))],
    ['without a line break at its end', encodeURIComponent(MINE.pem.trim())],
    ['with its chain', encodeURIComponent(MINE.pem + OTHER.pem)],
  ])('is read %s', (_what, value) => {
    expect(named(PEM, value)).toBe(MINE.thumbprint)
  })

  test('that is empty is no certificate', () => {
    expect(named(PEM, '')).toBeUndefined()
  })

  test.each([
    ['a list', `${MINE.encoded},${OTHER.encoded}`],
    ['with blanks in place of line breaks', MINE.pem.trim().replaceAll('\n', ' ')],
    ['with an encoding that is cut off', `${MINE.encoded}%2`],
    ['with an encoding of no digits', `${MINE.encoded}%zz`],
    ['what Apache writes without a certificate', '(null)'],
    ['text before it', encodeURIComponent(`subject=a\n${MINE.pem}`)],
    ['text behind it', encodeURIComponent(`${MINE.pem}a`)],
    ['a chain with something else in it', encodeURIComponent(`${MINE.pem}-----BEGIN PUBLIC KEY-----\nAA==\n`)],
    ['another kind of PEM', MINE.encoded.replaceAll('CERTIFICATE', 'PUBLIC%20KEY')],
    ['without a body', encodeURIComponent('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----')],
    ['a quote of it', `"${MINE.encoded}"`],
    ['bare base64', MINE.base64],
    ['octets that are no UTF-8', `${MINE.encoded}%ff`],
  ])('is refused: %s', (_what, value) => {
    expect(named(PEM, value)).toEqual({ refused: expect.any(String) })
  })
})

describe('X-Forwarded-Client-Cert', () => {
  const mine = `Hash=${MINE.hash}`
  const other = `Hash=${OTHER.hash}`
  const certificate = `Cert="${MINE.encoded}"`

  test.each([
    ['by its hash alone', mine],
    ['by its hash in upper case', `HASH=${MINE.hash.toUpperCase()}`],
    ['by the certificate alone', certificate],
    ['by the certificate without quotes', `Cert=${MINE.encoded}`],
    ['by both', `${mine};${certificate}`],
    [
      'among all that Envoy writes',
      `By=spiffe://a/b;${mine};${certificate};Chain="${MINE.encoded}";Subject="CN=a,O=\\"b\\"";URI=http://a?b=c;DNS=a.example.com;DNS=b`,
    ],
    ['behind an empty subject', `Subject="";${mine}`],
    ['behind a subject that ends with a backslash, as OpenSSL prints it', `Subject="CN=a\\\\";${mine}`],
    ['behind a subject with a comma, as OpenSSL prints it', `Subject="CN=a\\,Hash=b\\;Hash=c";${mine}`],
    ['with blanks around separators', `By=a ; ${mine} , By=a ;\t${mine} `],
  ])('is read %s', (_what, value) => {
    expect(named(forwarded(), value)).toBe(MINE.thumbprint)
  })

  test('counts elements from the right, because clients write to the left', () => {
    const value = `${other},By=a;${mine},By=b;${other}`
    expect([1, 2, 3, 4].map(hops => named(forwarded(hops), value))).toEqual([
      OTHER.thumbprint,
      MINE.thumbprint,
      OTHER.thumbprint,
      undefined,
    ])
  })

  test('is no certificate when it is empty, or when its element has neither a hash nor a certificate', () => {
    expect(named(forwarded(), '')).toBeUndefined()
    expect(named(forwarded(), `${mine},By=a;Subject="CN=a"`)).toBeUndefined()
  })

  test.each([
    ['a hash and a certificate that disagree', `${other};${certificate}`],
    ['two hashes', `${mine};${other}`],
    ['the same hash twice', `${mine};hash=${MINE.hash}`],
    ['two certificates', `${certificate};Cert="${OTHER.encoded}"`],
    ['a hash that is too short', `Hash=${MINE.hash.slice(1)}`],
    ['a hash in base64url', `Hash=${MINE.thumbprint}`],
    ['an empty hash', 'Hash='],
    ['an empty certificate', 'Cert=""'],
    ['a certificate that is none', `${mine};Cert="a"`],
    ['a separator at the end', `${mine};`],
    ['an element that is missing at the end', `${mine},`],
    ['an element that is missing at the start', `,${mine}`],
    ['two separators', `${mine};;By=a`],
    ['a key alone', `${mine};By`],
    ['a value alone', `=${MINE.hash}`],
    ['a key with other characters', `${mine};B-y=a`],
    ['a quote that stays open', `${mine};Subject="CN=a`],
    ['a quote that ends in a backslash', `${mine};Subject="CN=a\\"`],
    ['text behind a quote', `${mine};Subject="CN=a"b`],
    ['a quote within a value', `${mine};By=a"b"`],
    ['an element far to the left that is malformed', `",${mine}`],
  ])('is refused: %s', (_what, value) => {
    expect(named(forwarded(), value)).toEqual({ refused: expect.any(String) })
  })

  describe('Attack: Envoy writes URI and DNS as the certificate has them, and with them', () => {
    const raw = ['URI', 'DNS']

    test.each(raw)('an element in a %s does not count', key => {
      expect(named(forwarded(), `${other};${key}=a,${mine}`)).toEqual({ refused: expect.stringContaining('URI') })
      expect(named(forwarded(), `${other};URI=;${key}=a,By=a;${mine};Subject="CN=b"`)).toEqual({
        refused: expect.stringContaining('URI'),
      })
      expect(named(forwarded(2), `${other};${key}=a,${mine},By=ours;${other}`)).toEqual({
        refused: expect.stringContaining('URI'),
      })
      expect(named(forwarded(), `${other};${key}=a,By=b,${mine}`)).toEqual({
        refused: expect.stringContaining('URI'),
      })
    })

    test.each(raw)('a hash in a %s does not count', key => {
      expect(named(forwarded(), `${other};${key}=a;${mine}`)).toEqual({ refused: expect.any(String) })
      expect(named(forwarded(), `${key}=a;${mine}`)).toEqual({ refused: expect.stringContaining('URI') })
    })

    test.each(raw)('an element still counts which has a %s itself, or stands before one that has it', key => {
      expect(named(forwarded(), `${mine};${key}=a`)).toBe(MINE.thumbprint)
      expect(named(forwarded(2), `${mine};${key}=a,${other};${key}=b`)).toBe(MINE.thumbprint)
    })

    test.each(raw)('quotes in a %s are those of the certificate, and protect nothing', key => {
      expect(named(forwarded(), `By=a;${other};${key}="a",${mine}`)).toEqual({
        refused: expect.stringContaining('URI'),
      })
      expect(named(forwarded(), `${key}="a";${mine}`)).toEqual({ refused: expect.stringContaining('URI') })
    })
  })

  describe('Attack: quotes that a client leaves open before an element that is appended', () => {
    test.each([
      `X=",By=p;${other};URI=y",${mine}`,
      `X=",By=p;${other};URI=y";${mine}`,
      `${mine};X=",By=p;${other};URI=y"`,
      `${mine};X=", ${other};Subject="`,
      `${mine};X="\\\\;${other};Subject="`,
    ])('do not hide it: %s', value => {
      expect(named(forwarded(), value)).toEqual({ refused: expect.any(String) })
    })

    test('a comma that the subject escapes hides nothing', () => {
      expect(named(forwarded(), `${mine};Subject="CN=a\\,Hash=b,OU=c"`)).toBe(MINE.thumbprint)
    })
  })

  test('elements that are printed are read as they were', () => {
    const key = fc.stringMatching(/^[a-z]{1,8}$/)
    const quotedPair = fc.record({ key, value: fc.string(), isQuoted: fc.constant(true) })
    const plainPair = fc.record({ key, value: fc.stringMatching(/^[!#-+.-:<-~]*$/), isQuoted: fc.constant(false) })
    const element = fc.array(fc.oneof(quotedPair, plainPair), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 4 }), elements => {
        const printed = elements.map(pairs =>
          pairs
            .map(pair => `${pair.key}=${pair.isQuoted ? `"${pair.value.replace(/["\\]/g, '\\$&')}"` : pair.value}`)
            .join(';'),
        )
        const read = elements.map(pairs => pairs.map(({ key, value }) => ({ key, value })))
        expect(certificateElements(printed.join(','))).toEqual(read)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a long value takes time in proportion to its length, whatever it is', () => {
    for (const piece of ['"', '\\', 'a="', 'a="\\', ' ', 'a=,', 'a=;', 'a= ', ';', '\\;'])
      for (const value of [`a=${piece.repeat(100_000)}`, `a="${piece.repeat(100_000)}"`])
        expect(() => certificateElements(value)).not.toThrow()
  })
})
