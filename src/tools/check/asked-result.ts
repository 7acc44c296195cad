/**
 * Asks the server of a provider about a token that nobody has issued: that it is not active proves that the server is
 * there, and knows us as its client.
 *
 * RFC 7662 §2.1 (a server answers nobody who does not prove who it is), §2.2 (an unknown token is not active).
 * With `response: jwt` the answer comes through its signature, so that the keys are proven, too.
 */
import { randomBytes } from 'node:crypto'
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { Denial } from '../../errors.ts'
import { type HealthResult, healthResult } from './health-result.ts'

export async function askedResult(
  { tokens: { prefixes, minBytes }, response }: ProviderConfigs['introspection'],
  verifier: TokenVerifier,
): Promise<HealthResult> {
  const token = `${prefixes[0] ?? ''}${randomBytes(Math.max(32, minBytes)).toString('base64url')}`
  const code = await refusalOf(verifier, token)
  const health = verifier.health()
  const endpoint = health.kind === 'introspection' ? health.introspection.endpoint : undefined
  if (code === 'introspection_unavailable' || endpoint === undefined) {
    const detail = health.lastError ?? healthResult(health).detail
    return {
      outcome: 'failed',
      detail: MAY_BE_DUE_TO_TOKEN.test(detail) ? `${detail}; ${IF_REAL_TOKENS_PASS}` : detail,
    }
  }
  if (code === 'token_inactive') {
    const signed = response === 'jwt' ? ', with signatures that its keys verify' : ''
    return { outcome: 'ok', detail: `answers at ${endpoint}, and takes our credentials${signed}` }
  }
  const detail = `${endpoint} calls every token active, such as one that was made up for this check; name the endpoint that looks at tokens`
  return { outcome: 'failed', detail }
}

/** Overload and gateways that find nobody behind them (408, 425, 429, 502 to 504) are none of the token's doing. */
const MAY_BE_DUE_TO_TOKEN = / answered (?!408|425|429|502|503|504)[45]\d\d$/
const IF_REAL_TOKENS_PASS =
  'some servers answer so about a token that nobody has issued, such as that of this check, although credentials are ' +
  'right: try a real one with `sallyport token verify`'

/** @returns undefined for a token that is accepted */
async function refusalOf(verifier: TokenVerifier, token: string): Promise<Denial['code'] | undefined> {
  try {
    await verifier.verify({ token, jwt: undefined, wasEncrypted: false })
    return undefined
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}
