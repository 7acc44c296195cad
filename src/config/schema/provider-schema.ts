/**
 * Schema of `providers`: where tokens come from, and how they are judged.
 *
 * RFC 7518 §3.1, RFC 8037, RFC 9864 and RFC 9964 (algorithms), RFC 9068 (`at+jwt`).
 * A new kind of provider is one more member of the union. Rules that span keys are in `check-providers.ts`.
 */
import * as z from 'zod'
import { isTenant } from '../../issuer-template.ts'
import { JWS_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import { KEY_PARAMETERS } from '../../lib/key-parameters.ts'
import {
  acrOrderRule,
  audiencesRule,
  clockToleranceRule,
  grantClaims,
  maxLifetimeRule,
  requiredClaimsRule,
} from './claim-rules-schema.ts'
import { decryptionSchema } from './decryption-schema.ts'
import { claimReference, flag, judgedText, list, text } from './fields.ts'
import { introspectionProviderSchema } from './introspection-schema.ts'
import { keysSchema } from './keys-schema.ts'
import { sessionProviderSchema } from './session-schema.ts'
import { spiffeProviderSchema } from './spiffe-schema.ts'
import { didYouMean } from './suggest.ts'

const ALGORITHMS = [...JWS_ALGORITHMS.keys()]

const jwtProviderSchema = z
  .strictObject({
    type: z.literal('jwt').describe('JSON Web Tokens, verified here.'),
    issuer: text().describe(
      'Compared byte for byte with `iss`. `{name}` in it stands for the claim of that name. Without a key source its metadata is discovered.',
    ),
    issuerAliases: list(text()).optional().describe('Further spellings of `iss` that mean this provider.'),
    tenants: z
      .union([anyTenant(), z.record(text(), z.union([anyTenant(), list(judgedText(tenantProblem))]))])
      .optional()
      .describe('For each `{name}` in `issuer` the values that are accepted, or `any`. Required with such an issuer.'),
    audiences: audiencesRule(),
    audienceClaim: claimReference().default('aud').describe('Claim that is read in place of `aud`. Default `aud`.'),
    algorithms: list(z.enum(ALGORITHMS, { error: issue => algorithmProblem(issue.input) }))
      .optional()
      .describe('Signatures accepted. Default: every asymmetric one the key set can serve; HS256 with `secretFile`.'),
    keys: keysSchema.prefault({}),
    decryption: decryptionSchema.optional(),
    clockTolerance: clockToleranceRule('How far the issuer’s clock may be off ours. Default `5s`.'),
    maxLifetime: maxLifetimeRule('Refuse a token whose `exp` - `iat` is longer; `iat` is then required.'),
    acrOrder: acrOrderRule(),
    tokenType: z
      .enum(['compatible', 'at+jwt'])
      .default('compatible')
      .describe('`compatible`: `typ` missing, JWT or at+jwt. `at+jwt`: RFC 9068, strict. Default `compatible`.'),
    requiredClaims: requiredClaimsRule('Claims that every token must carry besides `exp`.'),
    ...grantClaims(),
    numericSubject: flag()
      .default(false)
      .describe('`true`: a `sub` that is a whole number counts as its decimal text. Default `false`: it is refused.'),
    ignoredHeaders: list(z.enum(KEY_PARAMETERS, { error: issue => ignoredHeaderProblem(issue.input) }))
      .optional()
      .describe('Header parameters of a token that are ignored and not refused; they are never used. Default: none.'),
  })
  .transform(provider => ({ ...provider, algorithms: provider.algorithms ?? defaultAlgorithms(provider.keys) }))

export const providerSchema = z.discriminatedUnion('type', [
  jwtProviderSchema,
  introspectionProviderSchema,
  sessionProviderSchema,
  spiffeProviderSchema,
])

/** RFC 8725 §3.1: a shared secret never meets an asymmetric algorithm, whatever the token says. */
function defaultAlgorithms(keys: { readonly secretFile?: string | undefined }): string[] | undefined {
  return keys.secretFile === undefined ? undefined : ['HS256']
}

/** It is no literal for zod, or a wrong list would be told to be `any`. */
function anyTenant() {
  return z
    .string()
    .regex(/^any$/, { error: 'must be `any`, or list the values' })
    .transform(() => 'any' as const)
}

function tenantProblem(tenant: string): string | undefined {
  return isTenant(tenant) ? undefined : 'is no tenant; use up to 64 letters, digits, `.`, `_` or `-`'
}

function ignoredHeaderProblem(input: unknown): string | undefined {
  return typeof input === 'string'
    ? `must be one of ${KEY_PARAMETERS.join(', ')}; no other one may be ignored`
    : undefined
}

function algorithmProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  if (input.toLowerCase() === 'none') return 'must not be `none`: an unsigned token proves nothing; leave it out'
  return `is not supported; use ${ALGORITHMS.join(', ')}.${didYouMean(input, ALGORITHMS)}`
}
