/**
 * Says which headers of a request an upstream gets, and what becomes of `Authorization` on a route.
 *
 * The lines are made by `forward/request-headers.ts`; this is where the configuration says which.
 */
import type { AuthorizationHandling, HeaderWriter } from '../forward/request-headers.ts'
import { remembered } from '../lib/remembered.ts'
import type { RequestHeaders } from '../policy.ts'
import { withoutOwnCookies } from '../session/cookie-lines.ts'
import type { CredentialSource, TokenPlaces } from '../types.ts'
import { believedProxies } from './believed-proxies.ts'
import { hasSessions } from './schema/accepted.ts'
import { certificateSource } from './schema/certificate-source.ts'
import type { Config, RouteConfig } from './schema/schema.ts'

/** Makes the headers for an upstream; routes that treat `Authorization` alike share one, and so what it remembers. */
export type HeaderWriters = (authorization: AuthorizationHandling) => RequestHeaders

interface WriterParts {
  readonly isManaged: (name: string) => boolean
  readonly places: TokenPlaces | undefined
  readonly writer: HeaderWriter
}

export function headerWriters(config: Config, { isManaged, places, writer }: WriterParts): HeaderWriters {
  const trusts = believedProxies(config)
  const certificates = certificateSource(config.listen, config.clientCertificate)
  return remembered(authorization =>
    writer({
      isManaged,
      authorization,
      trusts,
      certificate:
        certificates?.from === 'header' ? { name: certificates.header.name, forward: certificates.forward } : undefined,
      withoutProtocols: places?.hasProtocols === true ? places.withoutProtocols : undefined,
      withoutCookies: hasSessions(config) ? withoutOwnCookies : undefined,
    }),
  )
}

/** A token that was not looked at must not pass for the one that was, so a route that does not read it drops it. */
export function handlingOfAuthorization(
  { access, passAuthorization }: Pick<RouteConfig, 'access' | 'passAuthorization'>,
  { identity }: Config,
  sources: readonly CredentialSource[],
): AuthorizationHandling {
  if (passAuthorization) return 'unjudged'
  const { forwardToken } = identity
  if (forwardToken === false || (access !== 'public' && !sources.includes('authorization'))) return 'drop'
  // Nobody has judged the proof on a public route, so that its token does not become one that needs none.
  return forwardToken === true || access === 'public' ? 'pass' : 'asBearer'
}
