/**
 * Judges what routes say of providers of `type: session`: whether sessions are named where they should count, and
 * whether anything is asked that no session can have.
 */
import { cors as corsOf } from '../../route/cors.ts'
import { acceptedProviders, isLogin } from '../schema/accepted.ts'
import type { Draft } from '../schema/draft.ts'
import type { RouteConfig } from '../schema/schema.ts'
import { loginsOf } from './check-session-peers.ts'
import { otherSiteProblem } from './check-sessions.ts'
import type { Finding, Path } from './findings.ts'

export function sessionRouteFindings(draft: Draft): readonly Finding[] {
  return [
    ...[...draft.routes].flatMap(([index, route]) => {
      const path = ['routes', index]
      return [
        ...unnamedFindings(draft, route, path),
        ...secondFindings(draft, route, path),
        ...anonymousFindings(draft, route, path),
        ...neverHeldFindings(draft, route, path),
      ]
    }),
    ...originFindings(draft),
  ]
}

/** A route that names nobody takes all tokens, so there must be somebody whose tokens it can take. */
function unnamedFindings(draft: Draft, { access, providers }: RouteConfig, path: Path): readonly Finding[] {
  if (access === 'public' || providers !== undefined || draft.providerIds.length === 0) return []
  if (draft.providerIds.some(id => !isLogin(draft.providers.get(id)))) return []
  const [first = '', ...more] = draft.providerIds
  const remedy =
    more.length === 0 ? `\`providers: [${first}]\`` : `\`providers\` with one of ${draft.providerIds.join(', ')}`
  const message = `is missing: a session counts only where its provider is named, and no other is there; write ${remedy}, or \`access: public\``
  return [{ path: [...path, 'providers'], message }]
}

function secondFindings(draft: Draft, { access, providers = [] }: RouteConfig, path: Path): readonly Finding[] {
  if (access === 'public') return []
  return providers.flatMap((id, position): readonly Finding[] => {
    if (!isLogin(draft.providers.get(id))) return []
    const first = providers.slice(0, position).find(each => isLogin(draft.providers.get(each)))
    if (first === undefined) return []
    const message =
      first === id
        ? 'is listed already; leave it out'
        : `is a second login beside \`${first}\`, and a browser that has none can be sent to one only; name one of the two here`
    return [{ path: [...path, 'providers', position], message }]
  })
}

function anonymousFindings(
  draft: Draft,
  { access, anonymous, providers }: RouteConfig,
  path: Path,
): readonly Finding[] {
  if (anonymous === undefined) return []
  const at = [...path, 'anonymous']
  if (access === 'public') {
    const message = 'has no effect with `access: public`, which does not look at sessions; leave it out'
    return [{ path: at, message, at: 'key' }]
  }
  if (providers?.some(id => isLoginOrUnknown(draft, id)) === true) return []
  const logins = loginsOf(draft).map(({ id }) => id)
  if (logins.length > 0) {
    const names = logins.map(id => `\`${id}\``).join(' or ')
    const message = `has no effect without sessions: add ${names} to \`providers\` of this route, or leave it out`
    return [{ path: at, message, at: 'key' }]
  }
  if (draft.providers.size < draft.providerIds.length) return []
  const message = 'has no effect: nobody logs in, since no provider is of `type: session`; add one, or leave it out'
  return [{ path: at, message, at: 'key', about: 'providers' }]
}

/** What is wrong by itself may be meant to be one. */
function isLoginOrUnknown({ providers }: Draft, id: string): boolean {
  const provider = providers.get(id)
  return provider === undefined || isLogin(provider)
}

/** Is true of a route that looks at the cookie alone. */
export function takesSessionsOnly({ providers }: Pick<Draft, 'providers'>, route: RouteConfig): boolean {
  return route.providers?.every(id => isLogin(providers.get(id))) === true
}

/** Refuses what no session can have on a route that takes nothing else. */
function neverHeldFindings(draft: Draft, route: RouteConfig, path: Path): readonly Finding[] {
  const { access, providers = [], require, credentials, audiences, resource } = route
  const [login] = providers
  const provider = login === undefined ? undefined : draft.providers.get(login)
  if (access === 'public' || provider?.type !== 'session' || !takesSessionsOnly(draft, route)) return []
  const found: Finding[] = []
  if (require?.proof !== undefined) {
    const message =
      'can never hold: this route takes sessions only, whose tokens are bound to no key of the browser; leave it out, or add a provider whose tokens are to `providers`'
    found.push({ path: [...path, 'require', 'proof'], message, at: 'key' })
  }
  if (credentials !== undefined) {
    const message = 'has no effect: this route takes sessions only, which come in the cookie; leave it out'
    found.push({ path: [...path, 'credentials'], message, at: 'key' })
  }
  if (provider.principal !== 'idToken') return found
  const remedy = `which is for \`${provider.client.id}\`; leave it out, or let a provider judge the access token (\`principal\`)`
  if (audiences !== undefined && !audiences.includes(provider.client.id)) {
    const message = `can never hold: sessions of \`${login}\` are judged by the ID token, ${remedy}`
    found.push({ path: [...path, 'audiences'], message, at: 'key' })
  }
  if (resource !== undefined) {
    const message = `takes tokens that are made for it, and sessions of \`${login}\` are judged by the ID token, ${remedy}`
    found.push({ path: [...path, 'resource'], message, at: 'key' })
  }
  return found
}

/** An origin may use the session, but its pages would read nothing of the answers: browsers ask `cors` for that. */
function originFindings(draft: Draft): readonly Finding[] {
  return loginsOf(draft).flatMap(({ id, provider }) =>
    provider.allowOrigins.flatMap((origin, position): readonly Finding[] => {
      if (otherSiteProblem(origin, provider.publicUrl) !== undefined) return []
      const problem = [...draft.routes.values()]
        .filter(route => route.access !== 'public' && acceptedProviders(configOf(draft), route).includes(id))
        .map(route => corsProblem(draft, route, origin))
        .find(each => each !== undefined)
      return problem === undefined
        ? []
        : [{ path: ['providers', id, 'allowOrigins', position], message: problem, about: 'cors' }]
    }),
  )
}

function configOf({ providers }: Draft) {
  return { providers: Object.fromEntries(providers) }
}

/** A route that has written `off` means that. */
function corsProblem({ cors }: Draft, { id, cors: own }: RouteConfig, origin: string): string | undefined {
  if (own === 'off') return undefined
  const rules = own ?? cors
  const where = own === undefined ? '`cors`' : `\`cors\` of route \`${id}\``
  if (rules === undefined)
    return `can read no answer of route \`${id}\` without \`cors\`; add \`cors: { origins: [${origin}], credentials: true }\``
  const { grants } = corsOf({ ...rules, headers: [], maxAgeSeconds: 0 })
  if (!grants(origin)) return `can read no answer of route \`${id}\`; add it to \`origins\` of ${where}, too`
  if (rules.credentials) return undefined
  return `sends no cookie to route \`${id}\` unless it is allowed to; add \`credentials: true\` to ${where}`
}
