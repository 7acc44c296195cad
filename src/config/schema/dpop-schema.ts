/**
 * Holds the schema of `dpop`: how proofs of possession are judged (RFC 9449).
 *
 * Rules that refer to other sections are in `check-proof.ts`.
 */
import * as z from 'zod'
import { baseUrlProblem } from '../../authenticate/proof/target-uri.ts'
import { JWS_ALGORITHMS } from '../../lib/jws-algorithms.ts'
import { duration, filePath, flag, judgedText, list } from './fields.ts'
import { didYouMean } from './suggest.ts'

/** The signatures of ML-DSA are longer than a header should be. */
const ALGORITHMS = [...JWS_ALGORITHMS].flatMap(([name, { kty }]) => (kty === 'oct' || kty === 'AKP' ? [] : [name]))

/** What clients use: the libraries of browsers and of mobile systems sign with one of these. */
const DEFAULT_ALGORITHMS = ['ES256', 'ES384', 'Ed25519', 'EdDSA', 'PS256', 'RS256']

const nonceSchema = z.strictObject({
  secretFile: filePath().describe('File with the secret that nonces are made with, of 32 bytes at least.'),
  lifetime: duration({ min: '10s', max: '1h' })
    .prefault('5m')
    .describe('How long a nonce is accepted at most. Default `5m`.'),
})

const replaySchema = z.strictObject({
  entries: z
    .int()
    .min(1000)
    .max(20_000_000)
    .default(500_000)
    .describe(
      'Most proofs remembered at a time: requests with a proof per second × 70, or × the seconds of `nonce.lifetime`. Default 500000.',
    ),
  store: flag()
    .optional()
    .describe('`true`: shared by all replicas through `store`. `false`: each process has its own. Default `false`.'),
  whenUnavailable: z
    .enum(['refuse', 'local'])
    .optional()
    .describe(
      'While the store is away: `refuse` (503), or judge by the memory of the process (`local`). Default `refuse`.',
    ),
})

export const dpopSchema = z
  .strictObject({
    baseUrls: list(judgedText(baseUrlProblem)).describe(
      'URLs under which clients reach the gateway, with the prefix that a proxy in front strips. A proof has to name one of them, followed by the path.',
    ),
    algorithms: list(z.enum(ALGORITHMS, { error: issue => algorithmProblem(issue.input) }))
      .default(DEFAULT_ALGORITHMS)
      .describe('Signatures of proofs. Default: ES256, ES384, Ed25519, EdDSA, PS256, RS256.'),
    maxAge: duration({ min: '1s', max: '30m' })
      .prefault('60s')
      .describe('How old a proof may be. With `nonce` its nonce tells. Default `60s`.'),
    clockTolerance: duration({ min: '0s', max: '10m' })
      .prefault('5s')
      .describe('How far the clocks of clients may be off ours. Default `5s`.'),
    nonce: nonceSchema.optional().describe('Ask every proof for a nonce of ours. Left out: proofs need none.'),
    replay: replaySchema.prefault({}).describe('How proofs that were used are remembered.'),
  })
  .describe('Proofs of possession (DPoP). Left out: tokens that are bound to a key are refused.')

function algorithmProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  return `is no algorithm for proofs; use ${ALGORITHMS.join(', ')}.${didYouMean(input, ALGORITHMS)}`
}
