/**
 * The methods that a route can list, and the one rule about them: a route for GET takes HEAD, too.
 *
 * RFC 9110 §9.3.2 (HEAD is GET without the content). A route that lists HEAD itself takes precedence over one for GET.
 * Routes that list no methods take every one.
 */
import { METHODS as PARSED } from 'node:http'

/** CONNECT would turn the gateway into an open tunnel, TRACE would echo credentials: neither is ever forwarded. */
const REFUSED: ReadonlySet<string> = new Set(['CONNECT', 'TRACE'])

/** Every method of HTTP that Node's parser lets in, and that is forwarded. A route for any other takes no request. */
export const FORWARDED: readonly string[] = PARSED.filter(method => !REFUSED.has(method))

/** These have series of their own in the metrics, and are shown as all methods. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** The method whose routes take this one as well; undefined when only its own do. */
export function coveredBy(method: string): 'GET' | undefined {
  return method === 'HEAD' ? 'GET' : undefined
}

/** Every method that a route with these methods takes. */
export function coveredMethods(methods: Iterable<string>): ReadonlySet<string> {
  const covered = new Set(methods)
  for (const method of METHODS) {
    const covering = coveredBy(method)
    if (covering !== undefined && covered.has(covering)) covered.add(method)
  }
  return covered
}

/** @param methods those of a route; undefined is every method */
export function takesMethod(methods: ReadonlySet<string> | undefined, method: string): boolean {
  return methods === undefined || coveredMethods(methods).has(method)
}
