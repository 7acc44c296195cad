/**
 * Refuses a gRPC call in gRPC's own terms, because a client library does not show the status and body of HTTP.
 *
 * gRPC over HTTP/2 (Trailers-Only, `grpc-status`, `grpc-message`). The codes are those of gRPC's own table for statuses
 * of HTTP, so a client sees what it would have made of the status itself; where the table has none, the nearest code is
 * taken. gRPC-Web reads the same fields.
 *
 * gRFC A6 (push-back): client libraries that try again do not know `Retry-After`.
 */
import { DENIALS, type Denial, type DenialCode } from '../errors.ts'
import { fieldValue } from '../lib/field-lines.ts'

type GrpcStatus = {
  readonly 'grpc-status': string
  /** Printable ASCII without `%`, so that it needs no encoding. */
  readonly 'grpc-message': string
}

/** Maps the status of HTTP to that of gRPC. */
const GRPC_STATUS: Readonly<Record<(typeof DENIALS)[DenialCode]['status'], number>> = {
  400: 13, // INTERNAL
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  404: 12, // UNIMPLEMENTED
  408: 4, // DEADLINE_EXCEEDED
  413: 8, // RESOURCE_EXHAUSTED
  429: 8,
  431: 8,
  500: 13,
  502: 14, // UNAVAILABLE
  503: 14,
  504: 14,
}

/** A format (`+proto`) and parameters may follow. */
const KIND = /^application\/grpc(?:-web(?:-text)?)?(?=$|[+;\s])/i

/**
 * Returns the content type of a refusal: `application/grpc`, or the kind of gRPC-Web that the request has sent.
 *
 * @returns undefined for a request that is no gRPC call
 */
export function grpcContentType(rawHeaders: readonly string[]): string | undefined {
  const contentType = fieldValue(rawHeaders, 'content-type')
  return contentType === undefined ? undefined : KIND.exec(contentType)?.[0].toLowerCase()
}

/**
 * Is true when a status can still follow an answer that has begun.
 *
 * It cannot over gRPC-Web, where the status is the last message of the body. Browsers do not show trailers, and a body
 * that ends in good order would be taken for a whole one.
 */
export function takesStatusAsTrailers(rawHeaders: readonly string[]): boolean {
  return grpcContentType(rawHeaders) === 'application/grpc'
}

export function grpcStatus(code: DenialCode): GrpcStatus {
  const { status, title } = DENIALS[code]
  return { 'grpc-status': String(GRPC_STATUS[status]), 'grpc-message': `${code}: ${title}` }
}

/** It is read as a signed number of 32 bits, and one below 0 forbids to try again. */
const LONGEST_PUSH_BACK_MS = 2 ** 31 - 1
/** Timers of clients go by whole milliseconds, and may be early by one. */
const TIMER_MS = 1

/** @returns how long a client waits before it tries again; nothing where that does not help */
export function grpcPushBack({ retryAfterMs, retryAfterSeconds }: Denial): Readonly<Record<string, string>> {
  if (retryAfterSeconds === undefined) return {}
  const waitMs = retryAfterMs === undefined ? retryAfterSeconds * 1_000 : Math.ceil(retryAfterMs) + TIMER_MS
  return { [PUSH_BACK]: String(Math.min(waitMs, LONGEST_PUSH_BACK_MS)) }
}

const PUSH_BACK = 'grpc-retry-pushback-ms'
