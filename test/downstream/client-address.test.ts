import { describe, expect, test } from 'vitest'
import { clientAddress, trustedProxies } from '../../src/downstream/client-address.ts'

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
    [['10.0.0.0/8'], '0:0:0:0:0:ffff:a00:1', true],
    [['10.0.0.0/8'], '0000:0000::FFFF:0A00:0001', true],
    [['10.0.0.0/8'], '::a00:1', false],
    [['10.0.0.0/8'], '::ffff:a00', false],
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
