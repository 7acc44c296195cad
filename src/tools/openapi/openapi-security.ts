/**
 * Turns the security requirements of an OpenAPI operation into what a route asks.
 *
 * OpenAPI 3.0 and 3.1, "Security Requirement Object": an operation lists alternatives, each of which names schemes that
 * must all hold. Where a route cannot say the same as the document, it asks for more, and a note says so.
 */

export interface RouteSecurity {
  /** It is `closed` where no token opens it: no route can say what the document asks for, so there must be none. */
  readonly access: 'closed' | 'required' | 'optional' | 'public'
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  /** Each entry says in words what the route cannot say, or what somebody should look at. */
  readonly notes: readonly string[]
}

/** Holds the members of `components.securitySchemes`, references resolved; the keys are the names of the schemes. */
export type SecuritySchemes = Readonly<Record<string, unknown>>

/** Says what a route asks. @param security of the operation, else of the document; undefined when neither has any */
export function routeSecurity(security: unknown, schemes: SecuritySchemes): RouteSecurity {
  if (security === undefined || security === null)
    return asking('required', ['the document does not say who may call it: any valid token may'])
  if (!Array.isArray(security)) return asking('closed', ['its `security` is no list; left out'])
  const alternatives = security.map(alternative => readAlternative(alternative, schemes))
  if (alternatives.some(({ kind }) => kind === 'unreadable'))
    return asking('closed', ['its `security` cannot be read; left out'])
  if (alternatives.every(({ kind }) => kind === 'empty'))
    return asking('public', ['the document declares it open: everybody may call it, without a token'])
  const notes = alternatives.flatMap(({ note }) => (note === undefined ? [] : [note]))
  const whole = alternatives.filter(({ kind }) => kind === 'token')
  // An alternative that also asks for something else than a token is taken only where there is no other.
  const usable = (whole.length > 0 ? whole : alternatives.filter(({ kind }) => kind === 'token and more')).map(
    ({ scopes }) => scopes,
  )
  // A caller may leave the token out, so it would protect nothing to ask for scopes where one is sent.
  if (alternatives.some(({ kind }) => kind === 'empty')) return asking('optional', [...notes, ...scopesDropped(usable)])
  if (usable.length === 0) return asking('closed', [...notes, 'no token opens it; left out'])
  return { access: 'required', ...joined(usable, notes) }
}

const ACCESS_ORDER: ReadonlyArray<RouteSecurity['access']> = ['public', 'optional', 'required', 'closed']

/** Asks for what both ask; where a route cannot say that, it asks for more. */
export function bothAsked(one: RouteSecurity, other: RouteSecurity): RouteSecurity {
  const access =
    ACCESS_ORDER[Math.max(ACCESS_ORDER.indexOf(one.access), ACCESS_ORDER.indexOf(other.access))] ?? 'closed'
  const [anyScope, further] = one.anyScope.length > 0 ? [one.anyScope, other.anyScope] : [other.anyScope, []]
  return {
    access,
    scopes: [...new Set([...one.scopes, ...other.scopes, ...further])],
    anyScope,
    notes: [],
  }
}

function asking(access: RouteSecurity['access'], notes: readonly string[]): RouteSecurity {
  return { access, scopes: [], anyScope: [], notes }
}

interface Alternative {
  /** `foreign` needs no token, but something that is none. */
  readonly kind: 'empty' | 'token' | 'token and more' | 'foreign' | 'unreadable'
  readonly scopes: readonly string[]
  readonly note: string | undefined
}

function readAlternative(alternative: unknown, schemes: SecuritySchemes): Alternative {
  if (typeof alternative !== 'object' || alternative === null || Array.isArray(alternative)) return UNREADABLE
  const entries = Object.entries(alternative).map(([name, list]) => ({
    name,
    scopes: scopesIn(list),
    scheme: Object.hasOwn(schemes, name) ? schemes[name] : undefined,
  }))
  if (entries.length === 0) return { kind: 'empty', scopes: [], note: undefined }
  if (entries.some(({ scopes }) => scopes === undefined)) return UNREADABLE
  // A scheme that is not defined may be one of tokens whose name is misspelled, so what it lists is asked for, too.
  const asking = entries.filter(({ scheme }) => scheme === undefined || isTokenScheme(scheme))
  const scopes = [...new Set(asking.flatMap(each => each.scopes ?? []))]
  const foreign = entries.filter(({ scheme }) => !isTokenScheme(scheme))
  if (foreign.length === 0) return { kind: 'token', scopes, note: undefined }
  const names = foreign.map(({ name, scheme }) => `\`${name}\` (${schemeType(scheme)})`).join(' and ')
  if (foreign.length === entries.length)
    return { kind: 'foreign', scopes: [], note: `an alternative is left out: ${names} is no bearer token` }
  const note = `${names} is asked for beside the token and is no bearer token; the service has to check that itself`
  return { kind: 'token and more', scopes, note }
}

const UNREADABLE: Alternative = { kind: 'unreadable', scopes: [], note: undefined }

/** In YAML, a name with nothing after it has the value null: no scope is asked for. */
function scopesIn(list: unknown): readonly string[] | undefined {
  const members: unknown = list ?? []
  return Array.isArray(members) && members.every(each => typeof each === 'string') ? members : undefined
}

function isTokenScheme(scheme: unknown): boolean {
  const { type, scheme: name } = Object(scheme) as { readonly type?: unknown; readonly scheme?: unknown }
  return type === 'oauth2' || type === 'openIdConnect' || (type === 'http' && String(name).toLowerCase() === 'bearer')
}

function schemeType(scheme: unknown): string {
  const { type } = Object(scheme) as { readonly type?: unknown }
  return typeof type === 'string' ? type : 'not defined'
}

/** Joins alternatives into one demand. One that asks for all that another asks, and more, opens no further way in. */
function joined(alternatives: ReadonlyArray<readonly string[]>, notes: readonly string[]) {
  const least = alternatives.filter(
    (one, index) =>
      !alternatives.some(
        (other, at) =>
          at !== index && other.every(scope => one.includes(scope)) && (other.length < one.length || at < index),
      ),
  )
  const [first = [], ...others] = least
  if (others.length === 0) return { scopes: first, anyScope: [], notes }
  if (least.every(({ length }) => length === 1)) return { scopes: [], anyScope: least.flat(), notes }
  const rest = others.map(scopes => scopes.join(' and ')).join(', or ')
  return {
    scopes: first,
    anyScope: [],
    notes: [...notes, `only the first alternative is asked for; left out: ${rest}`],
  }
}

function scopesDropped(alternatives: ReadonlyArray<readonly string[]>): readonly string[] {
  const scopes = [...new Set(alternatives.flat())]
  return scopes.length === 0 ? [] : [`a token is optional, so its scopes are not asked for: ${scopes.join(', ')}`]
}
