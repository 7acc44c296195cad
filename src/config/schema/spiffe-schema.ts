/**
 * Holds the schema of a provider of `type: spiffe`: the trust domain whose workloads are taken at their JWT-SVIDs, and
 * where the keys are that it publishes (SPIFFE JWT-SVID, SPIFFE Trust Domain and Bundle).
 *
 * Rules that span keys are in `check-spiffe.ts`.
 */
import * as z from 'zod'
import { isTrustDomain } from '../../lib/spiffe-id.ts'
import {
  audiencesRule,
  clockToleranceRule,
  grantClaims,
  maxLifetimeRule,
  requiredClaimsRule,
} from './claim-rules-schema.ts'
import { filePath, judgedText, text } from './fields.ts'
import { keysSchema } from './keys-schema.ts'

const bundleSchema = z
  .strictObject({
    url: text().optional().describe('URL of the bundle endpoint. `http:` only to loopback hosts.'),
    file: filePath().optional().describe('File with the bundle, as JSON.'),
    refresh: keysSchema.shape.refresh.describe(
      'How often the bundle is fetched again; `spiffe_refresh_hint` makes it more often. Default `5m`.',
    ),
    ...keysSchema.pick({
      maxStale: true,
      cooldown: true,
      timeout: true,
      maxBytes: true,
      caFile: true,
      cacheFile: true,
      bearerFile: true,
      allowInsecureHttp: true,
    }).shape,
  })
  .describe('Where the SPIFFE bundle of the trust domain is: `url` or `file`.')

export const spiffeProviderSchema = z.strictObject({
  type: z.literal('spiffe').describe('JWT-SVIDs of the workloads of a SPIFFE trust domain, verified here.'),
  trustDomain: judgedText(trustDomainProblem).describe(
    'Name of the trust domain, like `example.org`. `sub` of its tokens begins with `spiffe://example.org/`.',
  ),
  audiences: audiencesRule(),
  bundle: bundleSchema,
  clockTolerance: clockToleranceRule('How far the clock of the trust domain may be off ours. Default `5s`.'),
  maxLifetime: maxLifetimeRule('Refuse a token whose `exp` - `iat` is longer; `iat` is then required.'),
  requiredClaims: requiredClaimsRule('Claims that every token must carry besides `sub`, `aud` and `exp`.'),
  ...grantClaims(),
})

function trustDomainProblem(trustDomain: string): string | undefined {
  if (isTrustDomain(trustDomain)) return undefined
  const name = /^(?:[a-z]+:\/\/)?([^/:@?#]+)/i.exec(trustDomain)?.[1]?.toLowerCase()
  const meant = name !== undefined && isTrustDomain(name) ? `; write \`${name}\`` : ''
  return `is no trust domain, whose name has lower-case letters, digits, \`.\`, \`-\` and \`_\` alone, at most 255${meant}`
}
