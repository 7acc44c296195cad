/**
 * Says in words why a connection failed, for whoever has to do something about it; the code follows, to search for.
 *
 * The codes are those of the system, of OpenSSL by way of Node, and our own (`upstream/failure.ts`).
 */
import { type FailureWords, failureText } from './failure-text.ts'

const UNTRUSTED = 'its certificate is not signed by anybody who is trusted; name its CA with `caFile`'

const WORDS: FailureWords = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the other end dropped the connection',
  EPIPE: 'the other end dropped the connection',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  EHOSTUNREACH: 'no way leads to that host',
  ENETUNREACH: 'no way leads to that network',
  ETIMEDOUT: 'there was no answer in time',
  CONNECT_TIMEOUT: 'there was no answer in time',
  ENOENT: 'there is no such socket',
  EACCES: 'we may not connect there',
  EPERM: 'we may not connect there',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS',
  EPROTO: 'it does not speak TLS',
}

/** Writes `nothing listens there (ECONNREFUSED)`. It repeats no text of the other end. */
export function connectionFailureText(error: unknown): string {
  // Where a name has several addresses, the error holds one failure for each.
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  return failureText(first, WORDS)
}
