/**
 * Asks the token endpoint of an upstream for a token on behalf of nobody: whether it answers, takes our credentials,
 * and exchanges tokens at all.
 *
 * RFC 6749 §5.2 and RFC 8693 §2.2.2: a server that takes the client refuses the subject token that was made up.
 */
import { randomBytes } from 'node:crypto'
import type { Config } from '../../config/schema/schema.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { OAuthFailure } from '../../oauth/oauth-failure.ts'
import { tokenExchangeClient } from '../../oauth/token-exchange-client.ts'
import { exchangeDefinition } from '../../run/token-exchange.ts'
import { OF_CALLER } from '../../token-exchange/issued-tokens.ts'
import type { HealthResult } from './health-result.ts'

/**
 * Never throws for what the network does.
 *
 * @param ended ends it before its own timeout does
 * @returns undefined where no tokens are exchanged
 */
export async function exchangeResult(
  id: string,
  config: Config,
  ended: AbortSignal,
): Promise<HealthResult | undefined> {
  const exchange = config.upstreams[id]?.exchange
  if (exchange === undefined) return undefined
  const definition = exchangeDefinition(id, exchange, config)
  const client = tokenExchangeClient({ ...definition, clock: systemClock, scheduler: systemScheduler })
  try {
    await client.exchange(randomBytes(32).toString('base64url'), ended)
  } catch (error) {
    if (!(error instanceof OAuthFailure)) throw error
    if (OF_THE_TOKEN.has(error.code))
      return {
        outcome: 'ok',
        detail: `tokens can be exchanged at ${client.endpoint}: it answers ${error.code} to one that was made up`,
      }
    const remedy = REMEDIES[error.code ?? '']
    return { outcome: 'failed', detail: [error.message, ...(remedy === undefined ? [] : [remedy])].join('; ') }
  } finally {
    client.close()
  }
  const detail = 'issues a token for one that was made up for this check; see that `endpoint` is that of your server'
  return { outcome: 'failed', detail }
}

/** RFC 8693 §2.2.2: a server may say `invalid_request` of a token that it does not take. This one is taken by none. */
const OF_THE_TOKEN: ReadonlySet<unknown> = new Set([...OF_CALLER, 'invalid_request'])

const REMEDIES: Readonly<Record<string, string>> = {
  invalid_client:
    'it does not take our credentials: compare `exchange.client` and its secret or key with what is registered there',
  unauthorized_client: 'it does not let this client exchange tokens: allow it the token exchange there',
  unsupported_grant_type: 'it does not know the token exchange (RFC 8693)',
  invalid_scope: 'it does not give this client the `scope` of `exchange`',
}
