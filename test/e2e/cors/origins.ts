/** Makes up origins, most of them near to one that a file lists, and says which of them it lists. */
import fc from 'fast-check'

export const APP = 'https://app.example.com'
const EXACT = [APP, 'https://app.example.com:8443', 'http://localhost:3000']
export const ORIGINS = [...EXACT, 'https://*.example.org']

/** Says in another way than the gateway whether the file lists an origin. */
export function isListed(origin: string): boolean {
  if (EXACT.includes(origin)) return true
  const [start, label = '', ...rest] = origin.replace('://', '://.').split('.')
  return start === 'https://' && rest.join('.') === 'example.org' && /^[a-z0-9_-]+$/.test(label)
}

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')
const scheme = fc.constantFrom('https://', 'https://', 'https://', 'http://', 'HTTPS://', 'https:', '//', '', 'wss://')
const user = fc.constantFrom('', '', '', '', 'a@', 'app.example.com@', 'a:b@', '@')
const host = fc.constantFrom(
  ...['app.example.com', 'app.example.com', 'x.example.org', 'x-1_y.example.org', 'localhost', 'App.example.com'],
  ...['evilexample.com', 'app.example.com.evil', 'app.example.com.', 'x.example.org.', 'example.org', '.example.org'],
  ...['a.b.example.org', '*.example.org', 'evilexample.org', 'x.example.org.evil.com', 'evil.com/.example.org'],
  ...[
    'alongnamewithoutanydots',
    'evil.com#.example.org',
    'evil.com?.example.org',
    'evil.com\\.example.org',
    'evil.com:80.example.org',
  ],
  ...[utf8('évil.example.org'), 'xn--vil-9la.example.org', '%61pp.example.com', 'app%2eexample.com', 'x.EXAMPLE.org'],
  ...[utf8('app。example.com'), 'a b.example.org', 'a\tb.example.org', '[::1]', '127.0.0.1', 'null', '-.example.org'],
)
const port = fc.constantFrom('', '', '', ':8443', ':3000', ':443', ':', ':08443', ':8443 ', ':65536', ':8443@evil.com')
const tail = fc.constantFrom(
  ...[
    '',
    '',
    '',
    '',
    '',
    '/',
    '?',
    '#',
    '.',
    ',',
    ';',
    `, ${APP}`,
    ` ${APP}`,
    `,${APP}`,
    '\tx',
    '/..',
    '%00',
    "'",
    '"',
  ],
)
export const origin: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(scheme, user, host, port, tail).map(parts => parts.join('')) },
  { weight: 2, arbitrary: fc.constantFrom(...EXACT, 'https://x.example.org', 'null', 'NULL', '', '*', 'file://') },
  {
    weight: 3,
    // In a good origin one character is put in, or stands in the place of one or two.
    arbitrary: fc
      .tuple(
        fc.constantFrom(...EXACT, 'https://x.example.org'),
        fc.nat(30),
        fc.integer({ min: 0x20, max: 0xff }),
        fc.nat(2),
      )
      .filter(([, , byte]) => byte !== 0x7f)
      .map(([good, at, byte, cut]) => good.slice(0, at) + String.fromCharCode(byte) + good.slice(at + cut)),
  },
)
/** RFC 9110 §5.5: blanks around a value are no part of it. */
export const trimmed = (value: string): string => value.replace(/^[ \t]+|[ \t]+$/g, '')
