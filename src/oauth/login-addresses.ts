/**
 * Takes from the metadata of a login provider what its client needs, as oauth4webapi reads it.
 *
 * RFC 8414 §2, RFC 9126 §5, RFC 8705 §5, RFC 9207 §3, OpenID Connect RP-Initiated Logout 1.0 §2.1. Tokens, codes and
 * credentials go to these addresses, and browsers are sent there: all must be on the issuer's host, or on one that the
 * operator listed. One that is
 * elsewhere spoils the whole document, so that it is noticed. Which algorithms an ID token may have is ours to say.
 */
import type { AuthorizationServer } from 'oauth4webapi'
import { FetchFailure } from '../keys/fetch/fetch-failure.ts'
import { ASYMMETRIC_ALGORITHMS } from '../lib/jws-algorithms.ts'
import { addressIn, type Metadata, type ShownBy } from './metadata.ts'

interface LoginAddressesOptions {
  readonly issuer: string
  /** Further hosts that the operator listed: `host`, or `host:port`. */
  readonly hosts: readonly string[]
  readonly client: ShownBy
  readonly allowInsecureHttp: boolean
}

export interface LoginProvider extends AuthorizationServer {
  readonly authorization_endpoint: string
  readonly token_endpoint: string
}

/** Only we go there, by whatever certificate we show. */
const OURS = ['pushed_authorization_request_endpoint', 'revocation_endpoint'] as const

/** @throws {FetchFailure} `invalid`: an address is missing, or must not be used */
export function loginAddresses(metadata: Metadata, options: LoginAddressesOptions): LoginProvider {
  const { issuer, hosts, client, allowInsecureHttp } = options
  const elsewhere = 'is not on the issuer’s host; if it is right, list its host in `hosts`'
  const rules = { issuer, hosts, allowInsecureHttp, elsewhere }
  const optional = (name: string, shownBy: ShownBy) => {
    const address = addressIn(metadata, name, { ...rules, client: shownBy })
    return address === undefined ? {} : { [name]: address }
  }
  const required = (name: string, shownBy: ShownBy): string => {
    const address = addressIn(metadata, name, { ...rules, client: shownBy })
    if (address !== undefined) return address
    throw new FetchFailure('invalid', `the discovery document has no ${name}`)
  }
  return {
    issuer,
    authorization_endpoint: required('authorization_endpoint', 'other'),
    token_endpoint: required('token_endpoint', client),
    ...Object.assign({}, ...OURS.map(name => optional(name, client))),
    ...optional('end_session_endpoint', 'other'),
    authorization_response_iss_parameter_supported: metadata.authorization_response_iss_parameter_supported === true,
    id_token_signing_alg_values_supported: [...ASYMMETRIC_ALGORITHMS],
  }
}
