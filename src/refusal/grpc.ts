/**
 * Refuses a gRPC call in gRPC's own terms: a client library shows the status and the message, and never looks at ours.
 *
 * gRPC over HTTP/2 (Trailers-Only, `grpc-status`, `grpc-message`); codes as gRPC's table for HTTP statuses has them, which
 * is what a client would make of a refusal of ours, and the nearest where that has none. gRPC-Web reads the same fields.
 */
import { DENIALS, type DenialCode } from '../errors.ts'
import { fieldValue } from '../lib/field-lines.ts'

export type GrpcStatus = {
  readonly 'grpc-status': string
  /** Printable ASCII without `%`, so that it needs no encoding. */
  readonly 'grpc-message': string
}

/** By the status of HTTP. */
const GRPC_STATUS: Readonly<Record<(typeof DENIALS)[DenialCode]['status'], number>> = {
  400: 13, // INTERNAL
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  404: 12, // UNIMPLEMENTED
  408: 4, // DEADLINE_EXCEEDED
  413: 8, // RESOURCE_EXHAUSTED
  431: 8,
  500: 13,
  502: 14, // UNAVAILABLE
  503: 14,
  504: 14,
}

/** A format (`+proto`) and parameters may follow. */
const KIND = /^application\/grpc(?:-web(?:-text)?)?(?=$|[+;\s])/i

/** What a refusal is sent as: `application/grpc`, or the kind of gRPC-Web that was asked for; undefined for any other request. */
export function grpcContentType(rawHeaders: readonly string[]): string | undefined {
  const contentType = fieldValue(rawHeaders, 'content-type')
  return contentType === undefined ? undefined : KIND.exec(contentType)?.[0].toLowerCase()
}

/**
 * True when a status can still follow an answer that has begun.
 *
 * Not for gRPC-Web, whose status is a last message: browsers show nobody the trailers, and a body that ends in good order
 * would pass for a whole one.
 */
export function takesStatusAsTrailers(rawHeaders: readonly string[]): boolean {
  return grpcContentType(rawHeaders) === 'application/grpc'
}

export function grpcStatus(code: DenialCode): GrpcStatus {
  const { status, title } = DENIALS[code]
  return { 'grpc-status': String(GRPC_STATUS[status]), 'grpc-message': `${code}: ${title}` }
}
