/**
 * Holds the schema of a provider of `type: session`: logins of browsers, whose tokens stay in the gateway.
 *
 * OpenID Connect Core 1.0, RFC 7636 (PKCE), RFC 8707 (resource), RFC 6265bis (cookies). Rules that span keys are in
 * `check-sessions.ts`.
 */
import * as z from 'zod'
import { isLoopback } from '../../lib/loopback.ts'
import { httpUrl } from './address.ts'
import { clockToleranceRule } from './claim-rules-schema.ts'
import { loginClientSchema } from './client-schema.ts'
import { originProblem } from './cors-schema.ts'
import { duration, filePath, flag, id, judgedText, list, plainPath, readText, scopeToken, text } from './fields.ts'
import { hostName } from './keys-schema.ts'
import { durationMs } from './units.ts'

/** As long as revocations are kept at most. */
const LONGEST = '8784h'

const lifetimeSchema = z.strictObject(
  {
    idle: duration({ min: '1m', max: LONGEST })
      .prefault('30m')
      .describe('A session ends when no request has come for so long. Default `30m`.'),
    absolute: duration({ min: '1m', max: LONGEST })
      .prefault('12h')
      .describe('A session ends so long after its login, whatever comes. Default `12h`.'),
    refreshBefore: duration({ min: '0s' })
      .prefault('60s')
      .describe('How long before it expires an access token is renewed, in the background. Default `60s`.'),
    grace: duration({ min: '1s', max: '10m' })
      .prefault('30s')
      .describe('How long an older cookie counts when the browser has sent a newer one. Default `30s`.'),
  },
  {
    error: ({ code, input }) =>
      code === 'invalid_type' && typeof input === 'string' && durationMs(input) !== undefined
        ? `must be a block of keys; write \`{ absolute: ${input} }\``
        : undefined,
  },
)

/** What the authorization request says by itself. */
const OWN_PARAMETERS = [
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'resource',
  'response_mode',
  'response_type',
  'scope',
  'state',
]

function parameterProblem(name: string): string | undefined {
  if (!/^[\w.~-]{1,64}$/.test(name)) return 'is no name of a parameter'
  return OWN_PARAMETERS.includes(name) ? 'is said by the gateway itself; leave it out' : undefined
}

/** @returns the origin, as browsers write it */
function publicOrigin(written: string): string {
  const url = httpUrl(written, '`https://shop.example.com`')
  if (url.pathname !== '/' || /[?#]/.test(written))
    throw new SyntaxError('must end after the host and its port: it says where browsers find the gateway')
  if (url.protocol === 'http:' && !isLoopback(url))
    throw new SyntaxError('must be `https:`, or `http:` to this machine: browsers keep such cookies nowhere else')
  return url.origin
}

function exactOriginProblem(written: string): string | undefined {
  if (written.includes('*')) return 'would let pages use the session that nobody has listed; list each origin'
  return originProblem(written)
}

function pagePath(path: string): string | undefined {
  if (/^\/(?![/\\])[\x21-\x7e]*$/.test(path) && !/[\\#]/.test(path)) return undefined
  return 'must be a path of the gateway, like `/` or `/goodbye`'
}

export const sessionProviderSchema = z.strictObject({
  type: z.literal('session').describe('Logins of browsers; their tokens stay here (OpenID Connect).'),
  issuer: text().describe('The OpenID provider, whose metadata is discovered. Compared byte for byte with `iss`.'),
  client: loginClientSchema,
  scopes: list(scopeToken())
    .default(['openid'])
    .describe('Scopes to ask for; `openid` among them, and mostly `offline_access`. Default `openid`.'),
  resource: text().optional().describe('What the access token is for (RFC 8707). Default: what the provider says.'),
  principal: id().describe(
    'Id of the provider that judges the access token, or `idToken`: the ID token says who it is.',
  ),
  publicUrl: readText(publicOrigin).describe('Where browsers find the gateway, like `https://shop.example.com`.'),
  paths: plainPath().default('/auth').describe('Login, callback, logout and session are below it. Default `/auth`.'),
  keyFiles: list(filePath()).describe(
    'Files with one secret of at least 32 bytes each. The first seals, all open. Read anew on change.',
  ),
  store: z
    .enum(['memory', 'shared'])
    .default('memory')
    .describe('`memory`: of this process, gone with it. `shared`: the section `store`. Default `memory`.'),
  lifetime: lifetimeSchema.prefault({}).describe('When sessions end.'),
  allowOrigins: z
    .array(judgedText(exactOriginProblem))
    .default([])
    .describe('Other origins, of the same site, whose pages may use the session. Default: none.'),
  afterLogout: judgedText(pagePath).default('/').describe('Path that follows a logout. Default `/`.'),
  parameters: z
    .record(judgedText(parameterProblem), text())
    .default({})
    .describe('Further parameters of the authorization request, like `prompt`.'),
  timeout: duration({ min: '100ms', max: '1m' })
    .prefault('10s')
    .describe('Longest time that the provider may take for an answer. Default `10s`.'),
  clockTolerance: clockToleranceRule('How far the provider’s clock may be off ours. Default `5s`.'),
  hosts: list(hostName())
    .optional()
    .describe('Further hosts whose addresses in the metadata are used. Default: that of `issuer`.'),
  caFile: filePath().optional().describe('PEM certificates to trust, in place of the system’s.'),
  allowInsecureHttp: flag().default(false).describe('`true` allows `http:` to other machines. Default `false`.'),
})
