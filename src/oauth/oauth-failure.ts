/**
 * Says why a login provider did not give what it was asked for. Throw {@link OAuthFailure} for whatever comes back, or
 * does not.
 *
 * RFC 6749 §4.1.2.1 and §5.2, and the registry of OAuth extension errors (§11.4).
 */
import { FetchFailure } from '../keys/fetch/fetch-failure.ts'
import { codeOf } from '../lib/failure-text.ts'

/** The registered codes that endpoints of a login may answer with. */
const OAUTH_ERROR_CODES = [
  'access_denied',
  'account_selection_required',
  'consent_required',
  'interaction_required',
  'invalid_authorization_details',
  'invalid_client',
  'invalid_dpop_proof',
  'invalid_grant',
  'invalid_request',
  'invalid_request_object',
  'invalid_request_uri',
  'invalid_scope',
  'invalid_target',
  'login_required',
  'registration_not_supported',
  'request_not_supported',
  'request_uri_not_supported',
  'server_error',
  'temporarily_unavailable',
  'unauthorized_client',
  'unmet_authentication_requirements',
  'unsupported_grant_type',
  'unsupported_response_type',
  'unsupported_token_type',
  'use_dpop_nonce',
] as const

type OAuthErrorCode = (typeof OAUTH_ERROR_CODES)[number]

interface OAuthFailureOptions {
  readonly code?: OAuthErrorCode | undefined
  readonly retryAfterSeconds?: number | undefined
  /** A failure that nobody foresaw. */
  readonly cause?: unknown
}

/** The message is ours, for the operator. It holds no text of the provider, and no secret. */
export class OAuthFailure extends Error {
  override readonly name = 'OAuthFailure'
  /**
   * `refused`: the provider said no, in a well-formed way. `invalid`: its answer is wrong. `unavailable`: it gave none,
   * or said that it cannot at the moment.
   */
  readonly kind: 'refused' | 'invalid' | 'unavailable'
  /** Undefined: the provider gave none, or one that is not registered. */
  readonly code: OAuthErrorCode | undefined
  /** What the provider asked for with `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    kind: OAuthFailure['kind'],
    message: string,
    { code, retryAfterSeconds, cause }: OAuthFailureOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** @param error the `error` of an answer, as it came @param who begins the message */
export function refusal(error: string, who: string): OAuthFailure {
  const code = OAUTH_ERROR_CODES.find(known => known === error)
  const kind = code === 'server_error' || code === 'temporarily_unavailable' ? 'unavailable' : 'refused'
  return new OAuthFailure(kind, `${who} refused: ${code ?? 'its error code is not a registered one'}`, { code })
}

/** The messages of oauth4webapi name members and claims, and repeat nothing of an answer; its causes do. */
export function failureOf(error: unknown): OAuthFailure {
  if (error instanceof OAuthFailure) return error
  if (error instanceof FetchFailure) return ofFetch(error)
  if (error instanceof Error && codeOf(error)?.startsWith('OAUTH_'))
    return new OAuthFailure('invalid', `the provider did not answer well: ${error.message}`)
  return new OAuthFailure('unavailable', 'the provider could not be asked, for an unknown reason', { cause: error })
}

/** A connection that breaks and a file of ours that cannot be read are no answer. */
function ofFetch({ result, message }: FetchFailure): OAuthFailure {
  const isNone = result === 'timeout' || result === 'connect_error' || result === 'local_file'
  return new OAuthFailure(isNone ? 'unavailable' : 'invalid', message)
}
