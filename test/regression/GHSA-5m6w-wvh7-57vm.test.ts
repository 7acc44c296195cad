/**
 * GHSA-5m6w-wvh7-57vm, CVE-2026-39858 (Traefik before 2.11.43 and 3.6.14): `X-Forwarded-Proto` and its
 * like were cleaned, `X_Forwarded_Proto` was not, so a caller could tell the authentication service that
 * he came over a trusted scheme or host.
 *
 * What a client says about where it comes from ends here in every spelling; an alias never takes part in
 * the chain of a trusted proxy either.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { fieldsOf } from '../support/wire.ts'

const NAMES = [
  ...[
    'X_Forwarded_Proto',
    'X_Forwarded_Host',
    'X_Forwarded_For',
    'x_forwarded_port',
    'X-Forwarded_Server',
    'X_Real_IP',
  ],
  ...['X.Forwarded.Proto', 'X.Real.Ip', 'X_Forwarded_Prefix', 'X-Forwarded.Prefix'],
]

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  let trusting: Stack
  beforeAll(async () => {
    stack = await startStack()
    trusting = await startStack(() => ({ listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] } }))
  })
  afterAll(() => Promise.all([stack.close(), trusting.close()]))

  test.for(NAMES)('%s reaches no service', async name => {
    for (const each of [stack, trusting]) {
      const reached = await each.forwarded(() => each.exchange(get('/public/x', [`${name}: marker.example`])))
      expect(reached).toContain('GET /public/x')
      expect(reached).not.toContain('marker.example')
    }
  })

  test('the real spelling is believed from a trusted proxy, and an alias beside it adds nothing', async () => {
    const lines = ['X-Forwarded-Proto: https', 'X_Forwarded_Proto: marker', 'X-Forwarded-For: 10.1.1.1']
    const reached = await trusting.forwarded(() => trusting.exchange(get('/public/x', lines)))
    const fields = new Map(fieldsOf(reached))
    expect([fields.get('x-forwarded-proto'), fields.get('x-forwarded-for')]).toEqual(['https', '10.1.1.1, 127.0.0.1'])
    expect(reached).not.toContain('marker')
  })
})
