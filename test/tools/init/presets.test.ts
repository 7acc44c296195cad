/** Tests that each preset takes the tokens that its provider makes, and what callers must not slip through with. */

import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import { standIn } from '../../../src/tools/engine/stand-in.ts'
import { bodyOf, withJsonBody } from '../../../src/tools/engine/tool-call.ts'
import { trial, trialRequest } from '../../../src/tools/engine/trial.ts'
import type { PresetName } from '../../../src/tools/init/presets.ts'
import { starterFile } from '../../../src/tools/init/starter-file.ts'
import type { Claims } from '../../../src/types.ts'
import { jwtOf } from '../../support/jwt-provider.ts'
import { silentServices } from '../support.ts'

/** @returns what becomes of `GET /orders/1` with a token of exactly these claims, but for its times */
async function outcome(preset: PresetName, claims: Claims) {
  const config = loadConfig({ text: starterFile({ preset }), file: '/etc/sallyport.yaml', env: {} })
  const { policy, token } = standIn(config, silentServices())
  const route = config.routes.find(({ id }) => id === 'orders-read')
  const { token: text } = await token({ aud: 'left out', ...claims }, route, 'main')
  const { denial, upstreamHeaders = [] } = await trial(
    policy,
    trialRequest('GET', '/orders/1', ['Authorization', `Bearer ${text}`]),
  )
  return denial?.code ?? upstreamHeaders[upstreamHeaders.indexOf('X-Auth-Subject') + 1]
}

const ENTRA = {
  iss: 'https://login.microsoftonline.com/TENANT-ID/v2.0',
  tid: 'TENANT-ID',
  aud: 'CLIENT-ID',
  oid: 'o-1',
  sub: 's-1',
  scp: 'Orders.Read',
  ver: '2.0',
}
const COGNITO = {
  iss: 'https://cognito-idp.REGION.amazonaws.com/POOL-ID',
  client_id: 'CLIENT-ID',
  token_use: 'access',
  scope: 'orders/read',
  sub: 'c-1',
}
const GOOGLE = {
  iss: 'accounts.google.com',
  aud: 'CLIENT-ID.apps.googleusercontent.com',
  sub: '1077',
  hd: 'example.com',
  email: 'alice@example.com',
}
const UAA = {
  iss: 'https://UAA/oauth/token',
  aud: ['orders', 'shop'],
  scope: ['orders.read'],
  sub: 'u-1',
  client_id: 'shop',
}

describe('a token as the provider makes it', () => {
  test.each<readonly [PresetName, string, Claims]>([
    ['entra', 'o-1', ENTRA],
    ['entra', 'o-1', { ...ENTRA, scope: '' }],
    ['cognito', 'c-1', COGNITO],
    ['google', '1077', GOOGLE],
    ['google', '1077', { ...GOOGLE, iss: 'https://accounts.google.com' }],
    ['uaa', 'u-1', UAA],
  ])('passes with the preset %s as %s', async (preset, subject, claims) => {
    expect(await outcome(preset, claims)).toBe(subject)
  })
})

describe('a token that is not meant', () => {
  test.each<readonly [PresetName, string, string, Claims]>([
    ['entra', 'of another tenant', 'issuer_unknown', { ...ENTRA, iss: ENTRA.iss.replace('TENANT-ID', 'x'), tid: 'x' }],
    ['entra', 'of another tenant that says it is ours', 'issuer_unknown', { ...ENTRA, tid: 'x' }],
    ['cognito', 'of another client', 'audience_mismatch', { ...COGNITO, client_id: 'other' }],
    ['cognito', 'that is an ID token', 'audience_mismatch', { iss: COGNITO.iss, aud: 'CLIENT-ID', sub: 'c-1' }],
    ['google', 'of anybody with an account', 'claim_forbidden', { ...GOOGLE, hd: 'example.org' }],
    ['uaa', 'of another service', 'audience_mismatch', { ...UAA, aud: ['other'] }],
  ])('is refused with the preset %s: one %s is %s', async (preset, _what, code, claims) => {
    const { client_id: clientId = 'nobody', ...rest } = claims
    expect(await outcome(preset, preset === 'cognito' ? { client_id: clientId, ...rest } : claims)).toBe(code)
  })
})

describe('the preset mcp', () => {
  const server = (options: { readonly audience?: string } = {}) => {
    const config = loadConfig({
      text: starterFile({ preset: 'mcp', ...options }),
      file: '/etc/sallyport.yaml',
      env: {},
    })
    const trusted = standIn(config, silentServices())
    const call = async (path: string, tool: string, claims: Claims) => {
      const route = config.routes.find(({ id }) => id === 'mcp')
      const { token } = await trusted.token(claims, route)
      const facts = withJsonBody(trialRequest('POST', path, ['Authorization', `Bearer ${token}`]))
      return (await trial(trusted.policy, facts, bodyOf({ method: 'tools/call', tool }))).denial?.code ?? 'allow'
    }
    return { config, call }
  }

  test('asks for the scopes of each tool, and refuses tools that are not listed', async () => {
    const { call } = server()
    expect(await call('/mcp', 'orders.get', { scope: 'mcp:use orders:read' })).toBe('allow')
    expect(await call('/mcp', 'orders.delete', { scope: 'mcp:use orders:read' })).toBe('scope_missing')
    expect(await call('/mcp', 'reports.sales', { scope: 'mcp:use reports:read' })).toBe('allow')
    expect(await call('/mcp', 'drop', { scope: 'mcp:use' })).toBe('claim_forbidden')
    expect(await call('/mcp', 'orders.get', { scope: 'mcp:use', aud: 'https://other.example.com' })).toBe(
      'audience_mismatch',
    )
  })

  test.each([
    ['https://tools.example.org/v1/mcp', 'https://tools.example.org/v1/mcp', '/v1/mcp'],
    ['https://tools.example.org', 'https://tools.example.org', '/'],
    ['orders', 'https://mcp.example.com/mcp', '/mcp'],
  ])('with the audience %s is the resource %s', async (audience, url, path) => {
    const { config, call } = server({ audience })
    expect([config.resources.mcp?.url, jwtOf(config).audiences]).toEqual([url, [audience]])
    expect(await call(path, 'orders.get', { scope: 'mcp:use orders:read' })).toBe('allow')
    for (const aud of [url, audience])
      expect(await call(path, 'orders.get', { scope: 'mcp:use orders:read', aud })).toBe('allow')
  })
})

test('another issuer takes nothing along that belongs to the issuer of the preset', () => {
  for (const preset of ['entra', 'google', 'uaa'] as const) {
    const text = starterFile({ preset, issuer: 'https://login.microsoftonline.com/abc/v2.0' })
    const main = jwtOf(loadConfig({ text, file: '/etc/sallyport.yaml', env: {} }))
    expect(main.issuer).toBe('https://login.microsoftonline.com/abc/v2.0')
    expect([main.tenants, main.issuerAliases, main.keys.jwksUri]).toEqual([undefined, undefined, undefined])
  }
})
