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
    const { detail } = healthResult(health)
    return { outcome: 'failed', detail: health.lastError ?? detail }
  }
  if (code === 'token_inactive') {
    const signed = response === 'jwt' ? ', with signatures that its keys verify' : ''
    return { outcome: 'ok', detail: `answers at ${endpoint}, and takes our credentials${signed}` }
  }
  const detail = `${endpoint} calls every token active, such as one that was made up for this check; name the endpoint that looks at tokens`
  return { outcome: 'failed', detail }
}

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
