/**
 * Holds the schema of `revocation`: how tokens are taken back before they expire.
 *
 * OpenID Connect Back-Channel Logout 1.0, RFC 8935 (push delivery of security events).
 * Rules that refer to other sections are in `check-revocation.ts`.
 */
import * as z from 'zod'
import { claimReference, duration, filePath, id, list, plainPath, text } from './fields.ts'

const whenStale = z.enum(['refuse', 'allow'])

const backchannelLogout = z.strictObject({
  provider: id().describe('Id of the provider whose logout tokens are taken.'),
  clientId: text().describe('Our `client_id` there: `aud` of the logout tokens.'),
  path: plainPath().describe('Path of the traffic listener, like `/oauth/backchannel-logout`.'),
  covers: z
    .enum(['session', 'subject'])
    .default('session')
    .describe(
      '`session`: what a `sid` names. `subject`: everything of the `sub`, for issuers that mean that. Default `session`.',
    ),
})

const signals = z.strictObject({
  provider: id().describe('Id of the provider whose events are taken.'),
  audience: text().describe('`aud` of the events.'),
  path: plainPath().describe('Path of the traffic listener, like `/oauth/events`.'),
  tokenFile: filePath().describe(
    'File with the secrets that the transmitter may send, one a line, of 32 bytes at least.',
  ),
})

/** The section and the `revocation` of a route have this key. */
export const revocationOfRoute = z
  .strictObject({ whenStale: whenStale.optional().describe('In place of `revocation.whenStale`.') })
  .optional()
  .describe('What becomes of requests of this route while revocations may be missing.')

export const revocationSchema = z
  .strictObject({
    whenStale: whenStale
      .optional()
      .describe(
        'While revocations may be missing: `refuse` (503) or `allow`. Needed with `store`; there is no default.',
      ),
    maxStale: duration({ min: '2s' })
      .prefault('1m')
      .describe('How long the store may be silent before revocations may be missing. Default `1m`.'),
    shortLived: duration()
      .optional()
      .describe('Tokens that live no longer than this pass even then. Default: none does.'),
    keep: duration({ max: '8784h' })
      .prefault('24h')
      .describe('How long an entry without `until` is kept: at least the longest `maxLifetime`. Default `24h`.'),
    entries: z
      .int()
      .min(1000)
      .max(20_000_000)
      .default(1_000_000)
      .describe('Most entries; 31 MB a million. Default 1000000.'),
    claims: z
      .strictObject({
        session: claimReference().default('sid').describe('Claim with the id of the session. Default `sid`.'),
      })
      .prefault({})
      .describe('Where tokens say what they can be revoked by.'),
    cacheFile: filePath().optional().describe('Keeps what is known, for a start while the store is down.'),
    file: filePath().optional().describe('YAML list of entries.'),
    store: z
      .strictObject({
        stream: z
          .string()
          .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: 'must be 1 to 64 letters, digits, `.`, `_` or `-`' })
          .default('revocations')
          .describe('Name of the stream, behind the prefix of the store. Default `revocations`.'),
      })
      .optional()
      .describe('Hear and tell of revocations by the stream in `store`.'),
    api: z
      .strictObject({
        tokenFile: filePath().describe(
          'File with the secrets of those who may revoke, one a line, of 32 bytes at least.',
        ),
      })
      .optional()
      .describe('Serve `/-/revocations` on the admin listener.'),
    backchannelLogout: list(backchannelLogout)
      .optional()
      .describe('Endpoints for logout tokens (OpenID Connect Back-Channel Logout).'),
    signals: list(signals).optional().describe('Endpoints for security events (RFC 8935, CAEP, RISC).'),
  })
  .describe('How tokens are taken back before they expire. Left out: they are not.')
