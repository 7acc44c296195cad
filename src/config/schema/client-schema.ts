/**
 * Holds the schema of `client`: how the gateway proves to an authorization server who it is.
 *
 * RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2, RFC 7662 §2.1.
 */
import * as z from 'zod'
import { ASYMMETRIC_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import { filePath, text } from './fields.ts'
import { didYouMean } from './suggest.ts'

const clientId = () => text().describe('What the gateway is called as a client of that server (`client_id`).')
const secretFile = () => filePath().describe('File with the client’s secret; read anew for each request.')

const ALGORITHMS = [...ASYMMETRIC_ALGORITHMS].filter(name => !name.startsWith('ML-DSA'))

const basic = z.strictObject({
  auth: z.literal('basic').describe('Id and secret in `Authorization` (RFC 6749 §2.3.1).'),
  id: clientId(),
  secretFile: secretFile(),
})

const post = z.strictObject({
  auth: z.literal('post').describe('Id and secret in the body.'),
  id: clientId(),
  secretFile: secretFile(),
})

const privateKeyJwt = z.strictObject({
  auth: z.literal('private_key_jwt').describe('An assertion that is signed with a key (RFC 7523).'),
  id: clientId(),
  keyFile: filePath().describe('File with the private key, as PEM or JWK, whose `kid` is sent; read anew.'),
  algorithm: z
    .enum(ALGORITHMS, { error: issue => algorithmProblem(issue.input) })
    .optional()
    .describe('Signature of the assertion. Default: what the key can do; RS256 for RSA.'),
})

const tls = z.strictObject({
  auth: z.literal('tls').describe('A client certificate (RFC 8705 §2).'),
  id: clientId(),
  certFile: filePath().describe('PEM certificate of the client; read anew.'),
  keyFile: filePath().describe('PEM key of `certFile`.'),
})

const bearer = z.strictObject({
  auth: z.literal('bearer').describe('A token in `Authorization` (RFC 7662 §2.1).'),
  id: clientId().optional(),
  tokenFile: filePath().describe('File with the token; read anew for each request.'),
})

export const clientSchema = z
  .discriminatedUnion('auth', [basic, post, privateKeyJwt, tls, bearer])
  .describe('How the gateway proves who it is: `auth` is basic, post, private_key_jwt, tls or bearer.')

/** A client that asks for tokens has none to show. */
export const loginClientSchema = z
  .discriminatedUnion('auth', [basic, post, privateKeyJwt, tls])
  .describe('How the gateway proves who it is: `auth` is basic, post, private_key_jwt or tls.')

function algorithmProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  return `is not supported; use ${ALGORITHMS.join(', ')}.${didYouMean(input, ALGORITHMS)}`
}
