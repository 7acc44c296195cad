/** Makes what judges callers: who they are, and whether they may. Routes that ask for the same share it. */
import { type LayeredAuthenticator, layeredAuthenticator } from '../authenticate/authenticator.ts'
import { all } from '../authorize/all.ts'
import { remembered } from '../lib/remembered.ts'
import { type Cors, type CorsRules, cors } from '../route/cors.ts'
import type { Authorizer } from '../types.ts'
import { named } from './named.ts'
import type { PolicyParts } from './policy-parts.ts'
import { requirementContext, requirementsOf, type WhatIsAsked } from './requirements.ts'
import { acceptedProviders, isIssuerConfigured } from './schema/accepted.ts'
import type { Config, RouteConfig } from './schema/schema.ts'

interface Asking {
  readonly authorize: Authorizer
  /** Whether it depends on the request, and not on the caller alone. */
  readonly readsRequest: boolean
}

/** What judges callers. Routes that ask for the same share it, so that a thousand of them fit the processor's cache. */
export interface Judges {
  authenticator(asked: Pick<RouteConfig, 'providers'>): LayeredAuthenticator
  authorizer(asked: WhatIsAsked): Asking
  cors(rules: CorsRules): Cors
}

export function sharedJudges(
  config: Config,
  {
    verifiers,
    tokenCache,
    decrypterOf,
    clock,
  }: Pick<PolicyParts, 'verifiers' | 'tokenCache' | 'decrypterOf' | 'clock'>,
): Judges {
  const context = requirementContext(config, clock)
  const every = acceptedProviders(config, {})
  const authenticator = remembered((ids: readonly string[]) =>
    layeredAuthenticator({
      verifiers: ids.map(id => named(verifiers, id)),
      tokenCache,
      decrypterOf,
      isIssuerConfigured: claims => isIssuerConfigured(config, claims),
      monotonicMs: config.traces === undefined ? undefined : clock.monotonicMs,
    }),
  )
  const authorizer = remembered((asked: WhatIsAsked): Asking => {
    const requirements = requirementsOf(asked, context)
    return {
      authorize: all(...requirements.map(({ authorize }) => authorize)),
      readsRequest: requirements.some(each => each.kind === 'when' && !each.condition.reads.isOfPrincipal),
    }
  })
  return {
    authenticator: ({ providers = every }) => authenticator(providers),
    authorizer,
    cors: remembered(cors),
  }
}
