/**
 * Holds the schema of `decryption`: with which keys encrypted tokens are opened, and what their header may ask for
 * (RFC 7516, RFC 7518 §4 and §5).
 *
 * What is not listed here cannot be chosen: RSA1_5 tells an attacker too much, PBES2 lets him choose how hard we work,
 * and whoever shares a secret (`dir`, A128KW and the like) could have made the token himself.
 */
import * as z from 'zod'
import {
  CONTENT_ENCRYPTIONS,
  DEFAULT_ENCRYPTIONS,
  DEFAULT_KEY_MANAGEMENT,
  KEY_MANAGEMENT_ALGORITHMS,
} from '../../authenticate/decryption.ts'
import { filePath, flag, list } from './fields.ts'
import { didYouMean } from './suggest.ts'

export const decryptionSchema = z
  .strictObject({
    keyFiles: list(filePath()).describe(
      'Files with one private key each, as JWK or PEM. All of them open tokens; the first one is for new ones.',
    ),
    algorithms: list(
      z.enum(KEY_MANAGEMENT_ALGORITHMS, { error: issue => problem(issue.input, KEY_MANAGEMENT_ALGORITHMS) }),
    )
      .default([...DEFAULT_KEY_MANAGEMENT])
      .describe('How the key of the content may be sent (`alg`). Default: ECDH-ES, ECDH-ES+A256KW, RSA-OAEP-256.'),
    encryptions: list(z.enum(CONTENT_ENCRYPTIONS, { error: issue => problem(issue.input, CONTENT_ENCRYPTIONS) }))
      .default([...DEFAULT_ENCRYPTIONS])
      .describe('How the content may be encrypted (`enc`). Default: A256GCM, A128GCM, A128CBC-HS256, A256CBC-HS512.'),
    required: flag().default(false).describe('`true`: what is not encrypted is refused. Default `false`.'),
  })
  .describe('Keys for encrypted tokens (JWE). Left out: they are refused.')

function problem(input: unknown, known: readonly string[]): string | undefined {
  if (typeof input !== 'string') return undefined
  return `is not supported; use ${known.join(', ')}.${didYouMean(input, known)}`
}
