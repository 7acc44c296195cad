/** Tests that tools make tokens which the provider takes, whatever it reads issuer and audience from. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { standIn } from '../../../src/tools/engine/stand-in.ts'
import { trial, trialRequest } from '../../../src/tools/engine/trial.ts'
import type { Claims } from '../../../src/types.ts'
import { silentServices, textOf } from '../support.ts'

const TEMPLATE = 'issuer: "https://x/{tid}", keys: { jwksUri: https://x/keys }'

async function tried(provider: string, claims: Claims) {
  const text = textOf('{ id: a, path: /a }').replace(/main: .*/, `main: { type: jwt, audiences: [api], ${provider} }`)
  const config = loadConfig({ text, file: '/etc/sallyport.yaml', env: {} })
  const { policy, token } = standIn(config, silentServices())
  const { token: made, filledIn } = await token(claims, config.routes[0])
  const { denial } = await trial(policy, trialRequest('GET', '/a', ['Authorization', `Bearer ${made}`]))
  const { iat, exp, ...others } = filledIn
  return { code: denial?.code ?? 'ok', others }
}

describe('claims alone', () => {
  test.each<readonly [string, Claims, Claims]>([
    [`${TEMPLATE}, tenants: { tid: [a, b] }`, {}, { iss: 'https://x/a', tid: 'a', aud: 'api' }],
    [`${TEMPLATE}, tenants: { tid: [a, b] }`, { tid: 'b' }, { iss: 'https://x/b', aud: 'api' }],
    [`${TEMPLATE}, tenants: { tid: [a, b] }`, { iss: 'https://x/b' }, { tid: 'b', aud: 'api' }],
    [`${TEMPLATE}, tenants: any`, {}, { iss: 'https://x/some-tenant', tid: 'some-tenant', aud: 'api' }],
    ['issuer: https://x/, issuerAliases: [x]', { iss: 'x' }, { aud: 'api' }],
    ['issuer: https://x/, audienceClaim: client_id', {}, { iss: 'https://x/', client_id: 'api' }],
    ['issuer: https://x/, audienceClaim: /a~1b/c', {}, { iss: 'https://x/', 'a/b': { c: 'api' } }],
    ['issuer: https://x/, numericSubject: true', { sub: 7 }, { iss: 'https://x/', aud: 'api' }],
  ])('for %s and %j are filled in with %j', async (provider, claims, others) => {
    expect(await tried(provider, claims)).toEqual({ code: 'ok', others })
  })

  test.each<readonly [string, Claims, string]>([
    [`${TEMPLATE}, tenants: { tid: [a] }`, { tid: 'c' }, 'issuer_unknown'],
    ['issuer: https://x/, audienceClaim: client_id', { client_id: 'other' }, 'audience_mismatch'],
    ['issuer: https://x/', { sub: 7 }, 'claim_invalid'],
  ])('for %s and %j are refused as the token would be: %s', async (provider, claims, code) => {
    expect((await tried(provider, claims)).code).toBe(code)
  })
})
