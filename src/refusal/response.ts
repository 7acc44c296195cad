/**
 * Makes the answer to a refused request: the gateway, a bare socket and `sallyport explain` all send or show this one.
 *
 * RFC 9457 (problem details), JSON-RPC 2.0 §5.1 (errors), RFC 6750 §3 (challenge), RFC 9110 §10.2.3 (Retry-After),
 * draft-ietf-httpapi-ratelimit-headers-11 (`violated-policies`). A gRPC call gets a status of gRPC and 200 as that of
 * HTTP. Whether the connection ends with the answer depends on what
 * is still to come on it, so the sender decides that.
 */
import { type Denial, GRPC_HTTP_STATUS, type RpcError } from '../errors.ts'
import type { HeaderRecord } from '../exchange.ts'
import type { Endpoint, Findings, Route } from '../policy.ts'
import { challenges, problem, usedScheme } from './challenge.ts'
import { grpcContentType, grpcPushBack, grpcStatus } from './grpc.ts'
import { loginFor, pageFor, type RefusedFacts } from './page.ts'

const REALM = 'sallyport'

/** What a refusal shows of what was found out about the request. */
interface RefusalFindings extends Pick<Findings, 'responseLines'> {
  /** Undefined when the request was refused before one was chosen. */
  readonly route: Pick<Route, 'challenge'> | undefined
  readonly endpoint?: Pick<Endpoint, 'challenge'> | undefined
}

interface RefusalResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: HeaderRecord
  readonly body: string
}

/** Makes the answer to a refused request. */
export type RefusalWriter = typeof refusalResponse

/**
 * @param facts undefined for bytes that never became a request
 * @param findings undefined when nothing was found out about the request
 */
export function refusalResponse(
  denial: Denial,
  facts: RefusedFacts | undefined,
  findings: RefusalFindings | undefined,
  requestId: string,
): RefusalResponse {
  const { code, retryAfterSeconds, violatedPolicies = [], spec, rpc, scope } = denial
  const challenge = findings?.route?.challenge ?? findings?.endpoint?.challenge
  const challengeLines = challenges(code, {
    realm: REALM,
    route: challenge,
    used: facts && usedScheme(facts.rawHeaders),
    scope,
  })
  const wwwAuthenticate: HeaderRecord =
    challengeLines.length === 0 ? NONE : { 'www-authenticate': oneOrMore(challengeLines) }
  const page = facts && pageFor(denial, facts, challenge, { requestId, wwwAuthenticate })
  if (page !== undefined) return { ...page, headers: { ...page.headers, ...besides(findings?.responseLines ?? []) } }
  const grpc = facts && grpcContentType(facts.rawHeaders)
  const login = spec.status === 401 ? challenge?.login?.path : undefined
  const told = {
    ...problem(code, requestId),
    ...(login !== undefined && { login: loginFor(code, login, facts) }),
    ...(violatedPolicies.length > 0 && { 'violated-policies': violatedPolicies }),
  }
  const body = grpc !== undefined ? '' : JSON.stringify(rpc === undefined ? told : rpcError(rpc, spec.title, told))
  return {
    status: grpc === undefined ? spec.status : GRPC_HTTP_STATUS,
    headers: {
      ...(grpc === undefined
        ? {
            'content-type': rpc === undefined ? 'application/problem+json' : 'application/json',
            'content-length': Buffer.byteLength(body),
          }
        : { 'content-type': grpc, ...grpcStatus(code), ...grpcPushBack(denial) }),
      'cache-control': 'no-store',
      'x-request-id': requestId,
      ...wwwAuthenticate,
      ...(retryAfterSeconds !== undefined && { 'retry-after': retryAfterSeconds }),
      ...besides(findings?.responseLines ?? []),
    },
    body,
  }
}

/** Clients of JSON-RPC take an error for one only if it has no other members, so that the problem is its `data`. */
function rpcError({ id, code }: RpcError, message: string, data: unknown) {
  return { jsonrpc: '2.0', ...(id !== undefined && { id }), error: { code, message, data } }
}

function oneOrMore(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values
}

const NONE: HeaderRecord = Object.freeze({})

function besides(lines: readonly string[]): HeaderRecord {
  if (lines.length === 0) return NONE
  const pairs = lines.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), lines[index + 1] ?? '']] : []))
  const grouped = Map.groupBy(pairs, ([name]) => name)
  return Object.fromEntries(
    [...grouped].map(([name = '', group]) => [name, oneOrMore(group.map(([, value = '']) => value))]),
  )
}
