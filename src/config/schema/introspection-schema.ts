/**
 * Holds the schema of a provider of `type: introspection`: whose tokens a server is asked about (RFC 7662, RFC 9701),
 * how the gateway proves there who it is, and how long answers are remembered.
 *
 * Rules that span keys are in `check-introspection.ts`.
 */
import * as z from 'zod'
import {
  acrOrderRule,
  audiencesRule,
  clockToleranceRule,
  grantClaims,
  maxLifetimeRule,
  requiredClaimsRule,
} from './claim-rules-schema.ts'
import { clientSchema } from './client-schema.ts'
import { decryptionSchema } from './decryption-schema.ts'
import { duration, filePath, flag, text } from './fields.ts'
import { keysSchema } from './keys-schema.ts'

const tokensSchema = z.strictObject({
  prefixes: z
    .array(z.string().regex(/^[A-Za-z0-9._~+/-]+$/, { error: 'is no beginning of a token' }))
    .default([])
    .describe('How opaque tokens of this provider begin. Default: any way.'),
  minBytes: z.int().min(1).max(4096).default(16).describe('Shorter opaque tokens are refused unasked. Default 16.'),
  jwts: flag()
    .default(true)
    .describe(
      'Whether JWTs whose `iss` is `issuer` are asked about, too. `false` leaves them to a provider of `type: jwt`. Default `true`.',
    ),
})

const cacheSchema = z.strictObject({
  ttl: duration({ min: '0s', max: '24h' })
    .prefault('30s')
    .describe('How long an answer counts, from the question on. `0s` asks every time. Default `30s`.'),
  inactiveTtl: duration({ min: '0s', max: '1h' })
    .prefault('5s')
    .describe('How long a token is refused unasked that was not active. Default `5s`.'),
  refreshAhead: flag()
    .default(true)
    .describe('Ask again in the background, before the answer about a token in use is too old. Default `true`.'),
  maxStale: duration({ min: '0s', max: '24h' })
    .prefault('0s')
    .describe('How much longer the last good answer serves while nobody answers. Default `0s`: not at all.'),
})

/** Answers are verified with public keys. */
const answerKeysSchema = keysSchema.omit({ secretFile: true })

/** What `keys` means where nothing is written. */
const DISCOVERED = answerKeysSchema.parse({})

export const introspectionProviderSchema = z
  .strictObject({
    type: z.literal('introspection').describe('Tokens that a server is asked about (RFC 7662).'),
    issuer: text().describe(
      'Compared byte for byte with `iss` of answers that have one. Without `endpoint` its metadata is discovered.',
    ),
    endpoint: text()
      .optional()
      .describe('URL of the introspection endpoint. Default: discovered, on the issuer’s host.'),
    audiences: audiencesRule(),
    audienceCheckedByServer: flag()
      .default(false)
      .describe('`true`: an answer without `aud` is fine, because the server looks at it. Default `false`.'),
    response: z
      .enum(['json', 'jwt'])
      .default('json')
      .describe('`jwt`: answers are signed (RFC 9701), and `keys` verify them. Default `json`.'),
    keys: answerKeysSchema
      .optional()
      .describe('With `response: jwt`, where the keys of the signature are; as for `jwt`.'),
    decryption: decryptionSchema.optional().describe('With `response: jwt`, the keys for encrypted answers.'),
    client: clientSchema,
    tokens: tokensSchema.prefault({}).describe('Which tokens are worth asking about.'),
    cache: cacheSchema.prefault({}).describe('How long answers are remembered.'),
    timeout: duration({ min: '10ms', max: '1m' })
      .prefault('2s')
      .describe('Longest time a question may take, the wait for its turn included. Default `2s`.'),
    concurrency: z
      .int()
      .min(2)
      .max(1024)
      .default(32)
      .describe('Most questions at a time; half of them are kept for tokens that were active before. Default 32.'),
    queue: z.int().min(0).max(100_000).default(256).describe('Most questions that wait for their turn. Default 256.'),
    clockTolerance: clockToleranceRule('How far the server’s clock may be off ours. Default `5s`.'),
    maxLifetime: maxLifetimeRule('Refuse a token whose `exp` - `iat` is longer; both are then required.'),
    acrOrder: acrOrderRule(),
    requiredClaims: requiredClaimsRule('Members that every answer must have.'),
    ...grantClaims(),
    caFile: filePath().optional().describe('PEM certificates to trust for questions, in place of the system’s.'),
    allowInsecureHttp: flag().default(false).describe('Allow `http:` to hosts other than loopback. Default `false`.'),
  })
  .transform(provider => ({
    ...provider,
    keys: provider.response === 'jwt' ? (provider.keys ?? DISCOVERED) : provider.keys,
  }))
