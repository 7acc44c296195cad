/**
 * Answers in place of an introspection endpoint: tokens are made up, and what is said of each was given beforehand.
 *
 * The answer passes through the verifier of the gateway, so no check has a second implementation. Nobody is asked.
 */
import { randomBytes } from 'node:crypto'
import type { ActiveAnswer, Introspector } from '../../authenticate/introspection/answer.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { Denial } from '../../errors.ts'
import type { Claims } from '../../types.ts'

interface Answering extends Introspector {
  /** Makes up a token about which it will be said that it is active, with these claims. */
  tokenFor(claims: Claims): string
}

export function answeringFor({ tokens: { prefixes, minBytes } }: ProviderConfigs['introspection']): Answering {
  const answers = new Map<string, ActiveAnswer>()
  return {
    tokenFor(claims) {
      const token = `${prefixes[0] ?? ''}${randomBytes(Math.max(16, minBytes)).toString('base64url')}`
      answers.set(token, { token, claims })
      return token
    },
    about(token) {
      const answer = answers.get(token)
      if (answer === undefined)
        throw new Denial('token_inactive', { evidence: { reason: 'only tokens that stand in are known here' } })
      return answer
    },
    stillHolds: () => true,
    tenureOf: () => ({ endedBy: () => undefined }),
    status: () => ({
      endpoint: 'nobody is asked',
      breaker: 'closed',
      nextTrySeconds: undefined,
      lastSuccessSeconds: undefined,
      lastFailureSeconds: undefined,
      lastError: undefined,
      inFlight: 0,
      queued: 0,
      activeTokens: answers.size,
      inactiveTokens: 0,
    }),
    ready: async () => {},
    close: async () => {},
  }
}
