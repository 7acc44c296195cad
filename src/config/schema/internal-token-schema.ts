/**
 * Holds the schema of `identity.token`: the token that we sign for services (RFC 7519).
 *
 * Rules that reach beyond it are in `check-internal-token.ts`, and what the folder must hold is in `check-files.ts`.
 */
import * as z from 'zod'
import { OWN_CLAIMS } from '../../signing/internal-token.ts'
import { SIGNING_ALGORITHMS } from '../../signing/signing-key.ts'
import { claimReference, duration, folderPath, judgedText, list, plainPath, text } from './fields.ts'
import { tokenHeaderProblem } from './header-names.ts'
import { didYouMean } from './suggest.ts'

export const internalTokenSchema = z
  .strictObject({
    header: judgedText(tokenHeaderProblem)
      .default('X-Auth-Token')
      .describe('Header that carries it; `Authorization` takes the place of the caller’s. Default `X-Auth-Token`.'),
    issuer: text().describe('`iss`: the name of this gateway, such as `https://orders.internal/`.'),
    audience: z.union([text(), list(text())]).describe('`aud`: whom it is for, one or a list.'),
    lifetime: duration({ min: '30s', max: '1h' })
      .prefault('5m')
      .describe('How long it lives, but no longer than the token of the caller. Default `5m`.'),
    algorithm: z
      .enum(SIGNING_ALGORITHMS, { error: issue => algorithmProblem(issue.input) })
      .default('ES256')
      .describe('`ES256` (keys of EC P-256) or `EdDSA` (Ed25519). Default `ES256`.'),
    keysDir: folderPath()
      .optional()
      .describe(
        'Folder with one private key a file, as JWK or PEM. Left out: keys in memory, a new one every 24 hours.',
      ),
    claims: z
      .record(judgedText(claimNameProblem), claimReference())
      .default({ sub: 'sub', scope: 'scope', client_id: 'client_id' })
      .describe('Claim of it → claim of the caller. Left out: `sub`, `scope`, `client_id`.'),
    jwksPath: plainPath()
      .optional()
      .describe('Path on `listen` where the public keys are. Left out: only `/-/jwks` of the admin listener has them.'),
  })
  .describe('A token of our own that tells the service who is calling. Left out: none is sent.')

function claimNameProblem(name: string): string | undefined {
  if (name === '') return 'must name a claim'
  if (!OWN_CLAIMS.some(own => own === name)) return undefined
  return 'is set by the gateway itself; choose another name, as what the caller’s token says is no claim of ours'
}

/** Algorithms that people ask for, and why they are not there. */
function algorithmProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  if (/^hs/i.test(input)) return 'is no choice: whoever can check a shared secret can sign with it; use ES256'
  if (/^[rp]s/i.test(input)) return 'is no choice: RSA takes twenty times as long to sign; use ES256'
  return `is not supported; use ${SIGNING_ALGORITHMS.join(' or ')}.${didYouMean(input, SIGNING_ALGORITHMS)}`
}
