/**
 * Puts further checks around an authenticator: what depends on the request, or must not be remembered with the verdict
 * of a token, such as revocation and proof of possession.
 */
import type { Authenticator, AuthenticatorLayer, RouteMetrics } from '../types.ts'

/** What layers may know of a route. */
interface LayeredRoute {
  readonly revocation: { readonly whenStale?: 'refuse' | 'allow' | undefined } | undefined
  readonly metrics: Pick<RouteMetrics, 'decidedStale'>
}

/** Gives the layers of a route. The innermost comes first; what is off is undefined. */
export type RouteLayers = (route: LayeredRoute) => ReadonlyArray<AuthenticatorLayer | undefined>

/**
 * Applies layers inside out; a feature that is switched off is `undefined` and leaves no trace at run time.
 *
 * @param layers the innermost comes first
 */
export function withLayers(
  base: Authenticator,
  ...layers: ReadonlyArray<AuthenticatorLayer | undefined>
): Authenticator {
  return layers.reduce<Authenticator>((inner, layer) => layer?.(inner) ?? inner, base)
}
