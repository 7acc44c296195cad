/** Loads oauth4webapi where a client first needs it: a configuration that asks for no client never loads it. */

export type OAuthLibrary = typeof import('oauth4webapi')

let library: Promise<OAuthLibrary> | undefined

export function oauthLibrary(): Promise<OAuthLibrary> {
  library ??= import('oauth4webapi')
  return library
}
