/** Tests where certificates may come from, and that nobody asks for what nobody shows. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { ConfigError } from '../../../src/errors.ts'

interface Written {
  readonly tls?: string
  readonly proxies?: string
  readonly block?: string
  readonly require?: string
  readonly rest?: string
}

function problems({ tls = '', proxies = '', block, require = '', rest = '' }: Written): readonly string[] {
  const text = `listen: { address: "127.0.0.1:8080"${tls === '' ? '' : `, tls: { certFile: c, keyFile: k, ${tls} }`}, trustedProxies: [${proxies}] }
providers: { a: { type: jwt, issuer: https://a.example.com/, audiences: [x] } }
upstreams: { app: "http://127.0.0.1:3000" }
${block === undefined ? '' : `clientCertificate: ${block}`}
${rest}
routes: [{ id: all, path: /**${require === '' ? '' : `, require: { proof: ${require} }`} }]
`
  try {
    loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
  }
}

const PROXIES = '127.0.0.1'
const XFCC = 'X-Forwarded-Client-Cert'
const named = (name: string) => `{ from: header, header: { name: ${name}, format: pem } }`

test.for<[Written]>([
  [{ tls: 'clientCaFile: ca' }],
  [{ tls: 'clientCaFile: ca, clientCertificate: required' }],
  [{ tls: 'clientCaFile: ca, clientCertificate: optional', require: 'certificate' }],
  [{ tls: 'clientCertificate: optional', block: '{}' }],
  [{ tls: 'clientCertificate: any', block: '{ from: connection }', require: 'any' }],
  [{ proxies: PROXIES, block: '{ from: header }', require: 'certificate' }],
  [{ proxies: PROXIES, block: '{ from: header, header: Client-Cert, forward: true }' }],
  [{ proxies: PROXIES, block: `{ from: header, header: ${XFCC}, hops: 2, forward: false }`, require: 'any' }],
  [{ proxies: PROXIES, block: named('X-SSL-Cert') }],
  [{ proxies: '"unix:"', block: '{ from: header }', tls: 'clientCaFile: ca' }],
  [{ rest: 'dpop: { baseUrls: [https://a.example.com] }', require: 'any' }],
])('%j is accepted', ([written]) => {
  expect(problems(written)).toEqual([])
})

test.for<[Written, string]>([
  [{ tls: 'clientCertificate: required' }, 'listen.tls.clientCertificate: needs `clientCaFile`'],
  [{ tls: 'clientCertificate: any, clientCaFile: ca' }, 'listen.tls.clientCaFile: has no effect'],
  [{ tls: 'clientCertificate: none' }, 'listen.tls.clientCertificate: must be one of'],
  [{ block: '{}' }, 'clientCertificate: takes certificates from connections'],
  [{ tls: '', block: '{ from: connection }' }, 'clientCertificate: takes certificates from connections'],
  [{ block: '{ from: header }' }, 'clientCertificate.from: needs `listen.trustedProxies`'],
  [{ tls: 'clientCertificate: any', block: '{ header: Client-Cert }' }, 'clientCertificate.header: has no effect'],
  [{ tls: 'clientCertificate: any', block: '{ hops: 1 }' }, 'clientCertificate.hops: has no effect'],
  [{ tls: 'clientCertificate: any', block: '{ forward: false }' }, 'clientCertificate.forward: has no effect'],
  [{ proxies: PROXIES, block: '{ from: header, hops: 1 }' }, 'clientCertificate.hops: counts elements'],
  [{ proxies: PROXIES, block: '{ from: header, hops: 2 }' }, `or write \`header: ${XFCC}\``],
  [{ proxies: PROXIES, block: '{ from: header, hops: 1 }' }, `or write \`header: ${XFCC}\``],
  [
    { proxies: PROXIES, block: `{ from: header, header: ${XFCC}, hops: 0 }` },
    'clientCertificate.hops: must be at least 1',
  ],
  [
    { proxies: PROXIES, block: '{ from: header }', tls: 'clientCertificate: any' },
    'listen.tls.clientCertificate: has no effect with `clientCertificate.from: header`',
  ],
  [{ proxies: PROXIES, block: '{ from: header, header: Client-Certs }' }, 'clientCertificate.header: must be one of'],
  [{ proxies: PROXIES, block: '{ from: header, header: Client-Cert2 }' }, 'Did you mean "Client-Cert"?'],
  [{ proxies: PROXIES, block: '{ from: header, header: X-Forwarded-Client }' }, `Did you mean "${XFCC}"?`],
  [{ proxies: PROXIES, block: '{ from: header, header: X-SSL-Cert }' }, 'write `{ name: X-SSL-Cert, format: pem }`'],
  [{ proxies: PROXIES, block: '{ from: header, header: Cookie }' }, 'write `{ name: X-Client-Cert, format: pem }`'],
  [{ require: 'cert' }, 'Did you mean "certificate"?'],
  [{ proxies: PROXIES, block: '{ from: header, header: Client-Certs }' }, 'Did you mean "Client-Cert"?'],
  [{ proxies: PROXIES, block: '{ from: header, header: X-Forwarded-Client-Certs }' }, `Did you mean "${XFCC}"?`],
  [{ proxies: PROXIES, block: '{ from: header, header: X-SSL }' }, 'write `{ name: X-SSL, format: pem }`'],
  [{ proxies: PROXIES, block: '{ from: header, header: Cookie }' }, 'write `{ name: X-Client-Cert, format: pem }`'],
  [{ proxies: PROXIES, require: 'cert' }, 'Did you mean "certificate"?'],
  [{ proxies: PROXIES, block: named('"a b"') }, 'clientCertificate.header.name: is no header name'],
  [{ proxies: PROXIES, block: named('client_cert') }, 'clientCertificate.header.name: has a meaning of its own'],
  [{ proxies: PROXIES, block: named(XFCC) }, 'clientCertificate.header.name: has a meaning of its own'],
  [{ proxies: PROXIES, block: named('Authorization') }, 'clientCertificate.header.name: has a meaning of its own'],
  [{ proxies: PROXIES, block: named('Cookie') }, 'clientCertificate.header.name: has a meaning of its own'],
  [
    { proxies: PROXIES, block: named('X_Who'), rest: 'identity: { headers: { X-Who: sub } }' },
    'clientCertificate.header.name: is the name of an identity header',
  ],
  [
    { proxies: PROXIES, block: named('X_Auth_Subject') },
    'clientCertificate.header.name: is the name of an identity header',
  ],
  [
    { proxies: PROXIES, block: named('X-Tok'), rest: 'credentials: [authorization, { header: x_tok }]' },
    'clientCertificate.header.name: is the name of a header that brings tokens',
  ],
  [{ require: 'certificate' }, 'routes.0.require.proof: asks for client certificates, which come from nowhere'],
  [{ require: 'any' }, 'routes.0.require.proof: asks for a proof, and none is judged'],
  [
    { rest: 'dpop: { baseUrls: [https://a.example.com] }', require: 'certificate' },
    'routes.0.require.proof: asks for client certificates, which come from nowhere',
  ],
  [{ rest: 'identity: { headers: { Client-Cert: sub } }' }, 'identity.headers.Client-Cert: has a meaning of its own'],
  [{ rest: `identity: { headers: { ${XFCC}: sub } }` }, `identity.headers.${XFCC}: has a meaning of its own`],
])('%j is refused: %s', ([written, problem]) => {
  expect(problems(written)).toEqual([expect.stringContaining(problem)])
})

test('a section that is wrong by itself is told of alone', () => {
  expect(problems({ block: '{ from: nowhere }', require: 'certificate' })).toEqual([
    expect.stringContaining('clientCertificate.from: must be one of'),
  ])
})
