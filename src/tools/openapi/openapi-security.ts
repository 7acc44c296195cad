/**
 * Turns the security requirements of an OpenAPI operation into what a route asks.
 *
 * OpenAPI 3.0 and 3.1, "Security Requirement Object": an operation lists alternatives, each of which names schemes that
 * must all hold. Where a route cannot say the same as the document, it asks for more, and a note says so.
 */

export interface RouteSecurity {
  readonly access: 'required' | 'optional' | 'public'
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  /** Each entry says in words what the route cannot say. */
  readonly notes: readonly string[]
}

/** Holds the members of `components.securitySchemes`; the keys are the names of the schemes. */
export type SecuritySchemes = Readonly<Record<string, unknown>>

/** Says what a route asks. @param security of the operation, else of the document; undefined when neither has any */
export function routeSecurity(security: unknown, schemes: SecuritySchemes): RouteSecurity {
  if (!Array.isArray(security)) return closed(['the document does not say who may call it: any valid token may'])
  if (security.length === 0) return { access: 'public', scopes: [], anyScope: [], notes: [] }
  const alternatives = security.map(alternative => readAlternative(alternative, schemes))
  const notes = alternatives.flatMap(({ note }) => (note === undefined ? [] : [note]))
  const isOptional = alternatives.some(({ isEmpty }) => isEmpty)
  const usable = alternatives.flatMap(({ scopes, isEmpty }) => (scopes === undefined || isEmpty ? [] : [scopes]))
  if (usable.length === 0)
    return isOptional
      ? { access: 'optional', scopes: [], anyScope: [], notes }
      : closed([...notes, 'none of its alternatives is a token: any valid token may call it'])
  // A caller may leave the token out, so it would protect nothing to ask for scopes where one is sent.
  if (isOptional) return { access: 'optional', scopes: [], anyScope: [], notes: [...notes, ...scopesDropped(usable)] }
  return { access: 'required', ...joined(usable, notes) }
}

const ACCESS_ORDER: ReadonlyArray<RouteSecurity['access']> = ['public', 'optional', 'required']

/** Asks for what both ask; where a route cannot say that, it asks for more. */
export function bothAsked(one: RouteSecurity, other: RouteSecurity): RouteSecurity {
  const access =
    ACCESS_ORDER[Math.max(ACCESS_ORDER.indexOf(one.access), ACCESS_ORDER.indexOf(other.access))] ?? 'required'
  const [anyScope, further] = one.anyScope.length > 0 ? [one.anyScope, other.anyScope] : [other.anyScope, []]
  return {
    access,
    scopes: [...new Set([...one.scopes, ...other.scopes, ...further])],
    anyScope,
    notes: [],
  }
}

function closed(notes: readonly string[]): RouteSecurity {
  return { access: 'required', scopes: [], anyScope: [], notes }
}

interface Alternative {
  /** The scopes are undefined when the alternative needs something that is no token. */
  readonly scopes: readonly string[] | undefined
  readonly isEmpty: boolean
  readonly note: string | undefined
}

function readAlternative(alternative: unknown, schemes: SecuritySchemes): Alternative {
  const entries = Object.entries(typeof alternative === 'object' && alternative !== null ? alternative : {})
  const foreign = entries.filter(([name]) => !isTokenScheme(schemes[name]))
  if (foreign.length > 0) {
    const names = foreign.map(([name]) => `\`${name}\` (${schemeType(schemes[name])})`).join(' and ')
    return { scopes: undefined, isEmpty: false, note: `an alternative is left out: ${names} is no bearer token` }
  }
  const scopes = entries.flatMap(([, list]) =>
    Array.isArray(list) ? list.filter(each => typeof each === 'string') : [],
  )
  return { scopes: [...new Set(scopes)], isEmpty: entries.length === 0, note: undefined }
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
