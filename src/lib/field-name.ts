/**
 * Compares field names the way the laxest server behind us does.
 *
 * CGI, WSGI, Rack, PHP and others turn `X-Auth-Subject`, `x_auth_subject` and `X.Auth.Subject` into one variable, so a
 * comparison that only ignores case lets an alias through (Traefik GHSA-5m6w-wvh7-57vm, then GHSA-x677-9fxg-v5c5).
 *
 * RFC 9110 §5.1 (field names), §5.6.2 (token).
 */

/** What may stand in a name beside letters, digits and `-`. */
export const NAME_MARKS: readonly string[] = [..."!#$%&'*+.^_`|~"]

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** @returns the name in lower case, with every character outside `a-z0-9` as `-`; its length stays */
export function foldedFieldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

export function isToken(text: string): boolean {
  return token.test(text)
}
