/**
 * Is what goes wrong between the gateway and a service, where the system has no code of its own for it.
 *
 * The code is the `reason` in the log, beside those of the system (`ECONNREFUSED`) and of TLS. The message never
 * repeats what a service sent.
 */

/** `true` says that the service was too slow: its client hears 504 instead of 502. */
const IS_SLOWNESS = {
  CONNECT_TIMEOUT: true,
  HEADERS_TIMEOUT: true,
  BODY_TIMEOUT: true,
  /** What came is no answer of HTTP, or one that two readers could take for two different ones. */
  ANSWER_MALFORMED: false,
  /** The connection ended before the answer did. */
  ANSWER_CUT: false,
  /** The gateway itself lets go of the service. */
  UPSTREAM_CLOSED: false,
  NOT_SUPPORTED: false,
  /** A bug: what is to be sent would not be one request. */
  REQUEST_UNSENDABLE: false,
} as const satisfies Readonly<Record<string, boolean>>

type UpstreamFailureCode = keyof typeof IS_SLOWNESS

export class UpstreamFailure extends Error {
  readonly code: UpstreamFailureCode

  constructor(code: UpstreamFailureCode, message: string) {
    super(message)
    this.name = 'UpstreamFailure'
    this.code = code
  }
}

/** @param code of any error, such as `ETIMEDOUT` of the system */
export function isSlowness(code: string): boolean {
  return code === 'ETIMEDOUT' || (Object.hasOwn(IS_SLOWNESS, code) && IS_SLOWNESS[code as UpstreamFailureCode])
}
