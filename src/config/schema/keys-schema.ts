/**
 * Holds the schema of `keys`: where the keys come from that verify what a provider signs (RFC 7517 §5).
 *
 * At most one source is named; `check-keys.ts` refuses more.
 */
import * as z from 'zod'
import { duration, filePath, flag, list, size, text } from './fields.ts'

/** Members of a JWK that make it private or a shared secret (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
export const PRIVATE_JWK_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

/** The keys that each say where the key material is; none of them means discovery. */
export const KEY_SOURCES = ['jwksUri', 'jwksFile', 'jwks', 'secretFile'] as const

const jwk = z.looseObject({ kty: text() }).check(context => {
  for (const member of PRIVATE_JWK_MEMBERS)
    if (Object.hasOwn(context.value, member))
      context.issues.push({
        code: 'custom',
        path: [member],
        message: 'is private; list the public key only, and replace this one if the file was shared',
        input: undefined,
      })
})

export const keysSchema = z
  .strictObject({
    jwksUri: text().optional().describe('URL of the JWK Set. `http:` only to loopback hosts.'),
    jwksFile: filePath().optional().describe('File with a JWK Set of public keys.'),
    jwks: z
      .looseObject({ keys: list(jwk) })
      .optional()
      .describe('A JWK Set of public keys, written here.'),
    secretFile: filePath()
      .optional()
      .describe('File with the shared secret of HS256, HS384 or HS512. One line break at its end is not part of it.'),
    refresh: duration({ min: '1s' }).prefault('5m').describe('How often the key set is fetched again. Default `5m`.'),
    maxStale: duration({ min: '1s', max: '8760h' })
      .prefault('24h')
      .describe('How long the last good key set is used while fetching fails. Default `24h`, at least `refresh`.'),
    cooldown: duration({ min: '100ms' })
      .prefault('30s')
      .describe('Shortest time between two fetches made for an unknown `kid`. Default `30s`.'),
    timeout: duration({ min: '10ms', max: '5m' })
      .prefault('5s')
      .describe('Longest time one fetch may take. Default `5s`.'),
    maxBytes: size({ min: '1KiB', max: '64MiB' })
      .prefault('1MiB')
      .describe('Largest key set accepted. Default `1MiB`.'),
    caFile: filePath().optional().describe('PEM certificates to trust for the fetch, in place of the system’s.'),
    cacheFile: filePath().optional().describe('File for the last good key set, used when a start finds no issuer.'),
    bearerFile: filePath().optional().describe('File with a bearer token for the fetch; read anew for each one.'),
    hosts: list(hostName())
      .optional()
      .describe('Further hosts that the `jwks_uri` of a discovery document may be on. Default: the issuer’s only.'),
    allowInsecureHttp: flag().default(false).describe('Allow `http:` to hosts other than loopback. Default `false`.'),
  })
  .describe('Where the keys are: one of jwksUri, jwksFile, jwks, secretFile; none of them means discovery.')

export function hostName() {
  return z.string().regex(/^(?=.{1,253}$)(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$/, {
    error: 'must be a host name without scheme, port or path, like `keys.example.com`',
  })
}
