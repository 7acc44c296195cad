import { describe, expect, test } from 'vitest'
import { trustedProxies } from '../../src/downstream/client-address.ts'
import { forwardingLines } from '../../src/forward/forwarded.ts'

/** Flat lines as an object, for reading. */
function named(lines: readonly string[]): Record<string, string> {
  const names = lines.filter((_, i) => i % 2 === 0)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, i) => [name, lines[i * 2 + 1] ?? '']))
}

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
