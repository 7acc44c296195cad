import { describe, expect, test } from 'vitest'
import { clientAddress, forwardingLines, trustedProxies } from '../../src/downstream/client-address.ts'

/** @returns flat lines as an object, for reading */
function named(lines: readonly string[]): Record<string, string> {
  const names = lines.filter((_, i) => i % 2 === 0)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, i) => [name, lines[i * 2 + 1] ?? '']))
}

describe('the list of trusted proxies', () => {
  test('trusts nobody when it is empty', () => {
    const trusts = trustedProxies([])
    for (const address of ['127.0.0.1', '::1', '10.0.0.1', undefined]) expect(trusts(address)).toBe(false)
  })

  test.each([
    [['10.0.0.1'], '10.0.0.1', true],
    [['10.0.0.1'], '10.0.0.2', false],
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['0.0.0.0/0'], '1.2.3.4', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', true],
    [['10.0.0.0/8'], '::FFFF:10.0.0.1', true],
    [['10.0.0.0/8'], '::ffff:a00:1', true],
    [['10.0.0.0/8'], '::ffff:11.0.0.1', false],
    [['::ffff:10.0.0.1'], '10.0.0.1', true],
    [['2001:db8::/32'], '2001:db8::1', true],
    [['2001:db8::/32'], '2001:DB8:0::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['10.0.0.0/8', '::1'], '::1', true],
    [['unix:'], undefined, true],
    [['unix:'], '127.0.0.1', false],
    [['unix:', '127.0.0.1'], '127.0.0.1', true],
    [['127.0.0.1'], undefined, false],
    [['127.0.0.1'], 'unknown', false],
    [['127.0.0.1'], '', false],
  ])('%j and %s: %s', (entries, address, isTrusted) => {
    const trusts = trustedProxies(entries)
    expect(trusts(address)).toBe(isTrusted)
    expect(trusts(address)).toBe(isTrusted)
  })

  test.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '/8',
    '10.0.0.0/1e1',
    'fe80::1%eth0',
    ' 10.0.0.1',
    '*',
    'unix:/run/x.sock',
  ])('%j is refused when the configuration is read', entry => {
    expect(() => trustedProxies([entry])).toThrow(SyntaxError)
  })
})

describe('what the upstream is told about the client', () => {
  test('is what we saw, when the peer is not trusted', () => {
    expect(named(forwardingLines({ address: '192.0.2.1', protocol: 'http' }, 'api.example.com'))).toEqual({
      'X-Forwarded-For': '192.0.2.1',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'api.example.com',
      'X-Real-IP': '192.0.2.1',
      Forwarded: 'for=192.0.2.1;host=api.example.com;proto=http',
    })
  })

  test('RFC 7239 §6: IPv6 stands in brackets and quotes, a host with a port in quotes', () => {
    const lines = named(forwardingLines({ address: '2001:db8::1', protocol: 'https' }, 'api.example.com:8443'))
    expect(lines.Forwarded).toBe('for="[2001:db8::1]";host="api.example.com:8443";proto=https')
    expect(lines['X-Forwarded-For']).toBe('2001:db8::1')
  })

  test('shows IPv4 on a dual-stack socket as IPv4, and no zone', () => {
    expect(named(forwardingLines({ address: '::ffff:192.0.2.1', protocol: 'http' }, 'a'))['X-Real-IP']).toBe(
      '192.0.2.1',
    )
    expect(named(forwardingLines({ address: 'fe80::1%eth0', protocol: 'http' }, 'a'))['X-Real-IP']).toBe('fe80::1')
  })

  test('names no address for a peer on a Unix socket', () => {
    expect(named(forwardingLines({ address: undefined, protocol: 'http' }, 'a'))).toEqual({
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'a',
      Forwarded: 'for=unknown;host=a;proto=http',
    })
  })

  test("is a trusted peer's chain with the peer appended", () => {
    const chain = new Map([
      ['x-forwarded-for', '203.0.113.9, 198.51.100.7'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-host', 'shop.example.com'],
      ['forwarded', 'for=203.0.113.9;proto=https'],
    ])
    const lines = forwardingLines(
      { address: '10.0.0.1', protocol: 'http' },
      'app',
      chain,
      trustedProxies(['10.0.0.0/8']),
    )
    expect(named(lines)).toEqual({
      'X-Forwarded-For': '203.0.113.9, 198.51.100.7, 10.0.0.1',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.example.com',
      Forwarded: 'for=203.0.113.9;proto=https, for=10.0.0.1;host=app;proto=http',
      'X-Real-IP': '198.51.100.7',
    })
  })
})

describe("the client's address", () => {
  const trusts = trustedProxies(['10.0.0.0/8'])

  test.each([
    ['192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '1.1.1.1, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['10.0.0.1', '203.0.113.9, garbage', '10.0.0.1'],
    ['10.0.0.1', 'garbage, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    [undefined, '203.0.113.9', undefined],
  ])('peer %s, chain %j: %s', (peer, chain, client) => {
    expect(clientAddress(peer, chain, trusts)).toBe(client)
  })
})
