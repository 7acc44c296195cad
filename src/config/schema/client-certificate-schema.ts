/**
 * Holds the schema of `clientCertificate`: where the certificates come from that tokens are bound to (RFC 8705 §3).
 *
 * Whether a client shows one to the gateway itself is said in `listen.tls.clientCertificate`. Rules that refer to other
 * sections are in `check-certificates.ts`.
 */
import * as z from 'zod'
import { CERTIFICATE_HEADERS } from '../../authenticate/proof/certificate-header.ts'
import { flag, judgedText } from './fields.ts'
import { certificateHeaderProblem } from './header-names.ts'
import { didYouMean } from './suggest.ts'

const pemHeaderSchema = z.strictObject({
  name: judgedText(certificateHeaderProblem).describe('Name of the header, like `X-Client-Cert`.'),
  format: z.literal('pem').describe('`pem`: percent-encoded PEM. The first certificate counts.'),
})

export const clientCertificateSchema = z
  .strictObject({
    from: z
      .enum(['connection', 'header'])
      .default('connection')
      .describe('`connection`: shown to the gateway itself. `header`: named by a trusted proxy. Default `connection`.'),
    header: z
      .union([pemHeaderSchema, z.enum(CERTIFICATE_HEADERS, { error: ({ input }) => headerProblem(input) })])
      .optional()
      .describe('Which header the proxy writes, and how. Default `Client-Cert`.'),
    hops: z
      .int()
      .min(1)
      .max(16)
      .optional()
      .describe('Which element of `X-Forwarded-Client-Cert` counts, from the right. Default 1.'),
    forward: flag().optional().describe('`true`: the service gets the header, too. Default `false`.'),
  })
  .describe('Where client certificates come from. Left out: from the connection, if `listen.tls` asks for them.')

/** Another name is usually that of a header with PEM: `X-Client-Cert` is the custom with nginx, and no slip. */
function headerProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  const isExtension = (name: string) => /^x-/i.test(name)
  const similar = CERTIFICATE_HEADERS.filter(name => isExtension(name) === isExtension(input))
  const names = `must be one of ${CERTIFICATE_HEADERS.map(name => `\`${name}\``).join(', ')}`
  const hint = didYouMean(input, similar)
  if (hint !== '') return `${names}.${hint}`
  const name = input.length <= 64 && certificateHeaderProblem(input) === undefined ? input : 'X-Client-Cert'
  return `${names}; for a header with PEM, as nginx has it, write \`{ name: ${name}, format: pem }\``
}
