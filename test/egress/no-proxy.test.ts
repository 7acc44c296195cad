/** Which URLs go past the proxy, and which exceptions can be written. */
import { describe, expect, test } from 'vitest'
import { noProxyProblem, viaProxy } from '../../src/egress/no-proxy.ts'

test.each([
  'http://localhost:8080/keys',
  'http://LOCALHOST./keys',
  'https://issuer.localhost/keys',
  'http://127.0.0.1/keys',
  'http://127.255.3.4/keys',
  'http://0x7f.1/keys',
  'http://[::1]:8080/keys',
  'http://[::ffff:127.0.0.1]/keys',
])('%s is on this machine, and never goes through a proxy', url => {
  expect(viaProxy(new URL(url), [])).toBe(false)
})

test.each([
  'https://keys.example/',
  'https://localhost.example/',
  'https://notlocalhost/',
  'https://127.0.0.1.example/',
  'https://128.0.0.1/',
  'https://[::2]/',
  'https://[::ffff:10.0.0.1]/',
])('%s goes through the proxy', url => {
  expect(viaProxy(new URL(url), [])).toBe(true)
})

describe('an exception', () => {
  test.each([
    ['keys.corp', 'https://KEYS.corp:8443/', 'https://a.keys.corp/'],
    ['Keys.Corp', 'https://keys.corp./', 'https://keys.corp.example/'],
    ['.svc', 'https://keys.auth.svc/', 'https://svc/'],
    ['.svc', 'https://keys.svc./', 'https://keysvc/'],
    ['10.0.0.0/8', 'https://10.255.0.1/', 'https://11.0.0.1/'],
    ['10.0.0.0/8', 'https://[::ffff:10.0.0.1]/', 'https://10.example/'],
    ['192.0.2.7', 'https://192.0.2.7:8443/', 'https://192.0.2.70/'],
    ['2001:db8::/32', 'https://[2001:db8:1::1]/', 'https://[2001:db9::1]/'],
    ['2001:db8::1', 'https://[2001:db8:0:0::1]/', 'https://[2001:db8::2]/'],
    ['0.0.0.0/0', 'https://198.51.100.1/', 'https://[2001:db8::1]/'],
  ])('%s takes %s and not %s', (entry, inside, outside) => {
    expect(noProxyProblem(entry)).toBeUndefined()
    expect([viaProxy(new URL(inside), ['other.example', entry]), viaProxy(new URL(outside), [entry])]).toEqual([
      false,
      true,
    ])
  })

  test.each([
    ['*', 'would take every host; leave `egress` out to use no proxy'],
    ['*.svc', 'must not have `*` in it; for every host below `example.com` write `.example.com`'],
    ['https://keys.corp', 'must not be a URL; write a host'],
    ['keys.corp:443', 'must be without a port; write `keys.corp`, which takes every port'],
    ['10.0.0.1:443', 'must be without a port; write `10.0.0.1`, which takes every port'],
    ['[::1]:443', 'must be without a port; write `::1`, which takes every port'],
    ['[2001:db8::1]', 'must be without brackets; write `2001:db8::1`'],
    ['10.0.0.0/33', 'is none of these; write a host'],
    ['2001:db8::/129', 'is none of these; write a host'],
    ['10.0.0', 'is none of these; write a host'],
    ['256.1.1.1', 'is none of these; write a host'],
    ['0x7f.1', 'is none of these; write a host'],
    ['fe80::1%eth0', 'is none of these; write a host'],
    ['keys.corp/path', 'is none of these; write a host'],
    ['user@keys.corp', 'is none of these; write a host'],
    ['a,b', 'is none of these; write a host'],
    ['a b', 'is none of these; write a host'],
    ['keys.corp.', 'is none of these; write a host'],
    ['.', 'is none of these; write a host'],
    ['', 'is none of these; write a host'],
  ])('%j cannot be written', (entry, problem) => {
    expect(noProxyProblem(entry)).toContain(problem)
  })
})
