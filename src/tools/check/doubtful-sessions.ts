/**
 * Finds where sessions of browsers end sooner than somebody may think, later than they should, or never begin.
 *
 * OpenID Connect Core 1.0 §11 (`offline_access`).
 */

import type { Path } from '../../config/check/findings.ts'
import { withResourceAudiences } from '../../config/resources.ts'
import { acceptedProviders } from '../../config/schema/accepted.ts'
import type { ProviderConfigs } from '../../config/schema/by-provider-type.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { shareIssuer } from '../../config/schema/tenants.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { Policy } from '../../policy.ts'
import { resolved } from '../engine/reach.ts'

interface DoubtfulSession {
  readonly code:
    | 'session-unused'
    | 'session-memory'
    | 'session-no-refresh'
    | 'session-issuer-differs'
    | 'session-resource-refused'
    | 'session-page-missing'
    | 'session-logout-logs-in'
    | 'lifetime-long'
  readonly path: Path
  readonly message: string
}

type Session = ProviderConfigs['session']

const DAY_MS = 24 * 60 * 60_000

/** @param policy compiled from `config` */
export function doubtfulSessions(config: Config, policy: Policy): readonly DoubtfulSession[] {
  return Object.entries(config.providers).flatMap(([id, provider]) =>
    provider.type === 'session'
      ? [
          ...unused(config, id),
          ...inMemory(id, provider),
          ...withoutRefresh(id, provider),
          ...judgedElsewhere(config, id, provider),
          ...resourceRefused(config, id, provider),
          ...pageMissing(policy, id, provider),
          ...logsInAgain(config, policy, id, provider),
          ...long(id, provider),
        ]
      : [],
  )
}

function unused(config: Config, id: string): readonly DoubtfulSession[] {
  const isUsed = config.routes.some(route => route.access !== 'public' && acceptedProviders(config, route).includes(id))
  if (isUsed) return []
  const message = `logs people in whose sessions no route takes; write \`providers: [${id}]\` in those that should`
  return [{ code: 'session-unused', path: ['providers', id], message }]
}

/** On the machine of a developer, there is nobody else whose session could be lost. */
function inMemory(id: string, { store, publicUrl }: Session): readonly DoubtfulSession[] {
  if (store === 'shared' || isLoopback(new URL(publicUrl))) return []
  const message =
    'keeps sessions in the process: a restart logs everybody out, and each replica knows its own alone; write `shared` where either matters'
  return [{ code: 'session-memory', path: ['providers', id, 'store'], message }]
}

/** Google asks for a parameter in place of the scope. */
function withoutRefresh(id: string, { scopes, parameters }: Session): readonly DoubtfulSession[] {
  const { access_type: accessType } = parameters
  if (scopes.includes('offline_access') || accessType === 'offline') return []
  const message =
    'lacks `offline_access`, without which most providers give no refresh token, so that a session ends with its first access token'
  return [{ code: 'session-no-refresh', path: ['providers', id, 'scopes'], message }]
}

/** Some providers sign access tokens under another name than ID tokens, so this may be right. */
function judgedElsewhere(
  { providers }: Config,
  id: string,
  { issuer, principal }: Session,
): readonly DoubtfulSession[] {
  const judge = principal === 'idToken' ? undefined : providers[principal]
  if (judge === undefined || shareIssuer(providerTraits(judge).issuers, { issuer })) return []
  const message = `is not that of provider \`${principal}\`, which judges the access tokens that it gives; if that is a slip, spell both alike, up to a slash at the end`
  return [{ code: 'session-issuer-differs', path: ['providers', id, 'issuer'], message }]
}

/** A provider may put another name into the token than it was asked for, so this may be right. */
function resourceRefused(config: Config, id: string, { resource, principal }: Session): readonly DoubtfulSession[] {
  const judge = principal === 'idToken' ? undefined : config.providers[principal]
  if (judge === undefined || resource === undefined) return []
  const { audiences } = providerTraits(withResourceAudiences(config, principal, judge))
  if (audiences.length === 0 || audiences.includes(resource)) return []
  const message = `is not among the \`audiences\` of \`${principal}\`, which judges the access tokens that are made for it; if that is a slip, spell both alike`
  return [{ code: 'session-resource-refused', path: ['providers', id, 'resource'], message }]
}

function pageMissing({ matcher }: Policy, id: string, { afterLogout }: Session): readonly DoubtfulSession[] {
  const [path = ''] = afterLogout.split('?', 1)
  if (resolved(matcher, 'GET', path) !== undefined) return []
  const message = `is \`${path}\`, which no route takes, so that a logout ends at a page that is not there; add a route, or name another page`
  return [{ code: 'session-page-missing', path: ['providers', id, 'afterLogout'], message }]
}

/** The provider still knows the user, and mostly sends the browser back without asking anything. */
function logsInAgain(
  config: Config,
  { matcher }: Policy,
  id: string,
  { afterLogout }: Session,
): readonly DoubtfulSession[] {
  const [path = ''] = afterLogout.split('?', 1)
  const found = resolved(matcher, 'GET', path)
  const route = config.routes.find(each => each.id === found?.id)
  if (route === undefined || route.access === 'optional' || route.anonymous !== 'login') return []
  const message = `is \`${path}\`, and route \`${route.id}\` logs people in there, so that a logout may end in the next login; name a page with \`access: public\``
  return [{ code: 'session-logout-logs-in', path: ['providers', id, 'afterLogout'], message }]
}

function long(id: string, { lifetime }: Session): readonly DoubtfulSession[] {
  if (lifetime.absolute <= DAY_MS) return []
  const message =
    'keeps a browser logged in for more than a day, whoever sits before it by then; lower it unless people would rather not log in each day'
  return [{ code: 'lifetime-long', path: ['providers', id, 'lifetime', 'absolute'], message }]
}
