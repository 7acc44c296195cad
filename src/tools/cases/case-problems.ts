/**
 * Says what must not go together in a test case, or has no meaning by itself, and which request a case is about.
 *
 * What each key may hold is in `case-schema.ts`. Each problem is about one key, and names the way out.
 */
import type { Claims, RequestFacts } from '../../types.ts'
import type { WrittenAnswer } from '../engine/answering.ts'
import type { FetchSite } from '../engine/browser-request.ts'
import { saysItsKey } from '../engine/prover.ts'
import { messageProblem } from '../engine/tool-call.ts'
import { trialRequest } from '../engine/trial.ts'

type WrittenMessage = Parameters<typeof messageProblem>[0]

interface WrittenPreflight {
  readonly origin: string
  readonly method: string
  readonly headers: readonly string[]
}

/** A case as it is written, each key by itself right. */
interface WrittenCase extends WrittenRequest, WrittenProof, WrittenBrowser, WrittenRepeat {
  readonly mcp?: WrittenMessage | undefined
  readonly provider?: string | undefined
  readonly certificate?: string | undefined
  readonly headers: Readonly<Record<string, string | null>>
}

export function caseProblems(written: WrittenCase): readonly KeyProblem[] {
  return [
    ...preflightProblems(written),
    ...messageProblems(written),
    ...browserProblems(written),
    ...repeatProblems(written),
    ...tokenProblems(written),
    ...requestProblems(written),
  ]
}

/** What is said of a token has to be about one. */
function tokenProblems(written: WrittenCase): readonly KeyProblem[] {
  const { claims, introspection, certificate } = written
  const found: KeyProblem[] = []
  if (claims !== undefined && introspection !== undefined)
    found.push({ key: 'introspection', problem: 'says all that is known of the token; leave out `claims`, or this' })
  if (certificate !== undefined && claimsOf(written) === undefined)
    found.push({ key: 'certificate', problem: 'needs `claims` or `introspection`: their token is bound to it' })
  const problem = proofProblem(written)
  return problem === undefined ? found : [...found, { key: 'proof', problem }]
}

function requestProblems(written: WrittenCase): readonly KeyProblem[] {
  const found: KeyProblem[] = []
  try {
    requestOf(written)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    found.push({ key: 'request', problem: error.message })
  }
  if (written.expect !== 'allow' && Object.keys(written.headers).length > 0)
    found.push({ key: 'headers', problem: 'needs `expect: allow`: a refused request has none' })
  return found
}

interface WrittenRequest {
  readonly request: string
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly preflight?: WrittenPreflight | undefined
}

interface KeyProblem {
  readonly key: keyof WrittenCase
  readonly problem: string
}

const ASKED_BY_PREFLIGHTS = ['origin', 'access-control-request-method', 'access-control-request-headers']

function preflightProblems(
  written: WrittenRequest & WrittenProof & { readonly headers: Readonly<Record<string, string | null>> },
): readonly KeyProblem[] {
  const { request, requestHeaders, headers } = written
  if (written.preflight === undefined) return []
  const found: KeyProblem[] = []
  if (!request.startsWith('OPTIONS '))
    found.push({
      key: 'request',
      problem: 'must be `OPTIONS` and a path: `preflight.method` is that of the real request',
    })
  if (claimsOf(written) !== undefined)
    found.push({ key: 'preflight', problem: 'brings no token; leave out `claims` and `introspection`, or this' })
  const twice = Object.keys(requestHeaders).find(name => ASKED_BY_PREFLIGHTS.includes(name.toLowerCase()))
  if (twice !== undefined)
    found.push({ key: 'preflight', problem: `sends the header \`${twice}\`; leave it out of \`requestHeaders\`` })
  if (Object.keys(headers).length > 0)
    found.push({ key: 'headers', problem: 'never come of a preflight, which is not forwarded' })
  return found
}

function messageProblems({
  request,
  mcp: message,
}: WrittenRequest & { readonly mcp?: WrittenMessage | undefined }): readonly KeyProblem[] {
  if (message === undefined) return []
  const problem = messageProblem(message)
  return [
    ...(problem === undefined ? [] : [{ key: 'mcp' as const, problem }]),
    ...(request.startsWith('POST ')
      ? []
      : [{ key: 'request' as const, problem: 'must be `POST` and a path for `mcp`' }]),
  ]
}

interface WrittenBrowser {
  readonly session?: Claims | undefined
  readonly origin?: string | undefined
  readonly fetchSite?: FetchSite | undefined
  readonly navigate: boolean
  readonly steppedUp: boolean
  readonly location?: string | undefined
}

function browserProblems(
  written: WrittenRequest &
    WrittenProof &
    WrittenBrowser & { readonly expect: string; readonly provider?: string | undefined },
): readonly KeyProblem[] {
  const { request, requestHeaders, session, origin, fetchSite, navigate, steppedUp, location, expect } = written
  const isSent = (name: string): boolean => Object.keys(requestHeaders).some(each => each.toLowerCase() === name)
  const found: ReadonlyArray<readonly [keyof WrittenBrowser, boolean, string]> = [
    [
      'session',
      session !== undefined && (claimsOf(written) !== undefined || written.provider !== undefined),
      'counts only where no token comes; leave out `claims`, `introspection` and `provider`, or this',
    ],
    ['session', session !== undefined && written.preflight !== undefined, 'comes with no preflight; leave out one'],
    ['fetchSite', fetchSite !== undefined && session === undefined, 'needs `session`: it decides about that alone'],
    [
      'fetchSite',
      fetchSite !== undefined && isSent('sec-fetch-site'),
      'sends the header `Sec-Fetch-Site`; leave it out of `requestHeaders`',
    ],
    ['steppedUp', steppedUp && session === undefined, 'needs `session`: it says how that began'],
    [
      'origin',
      origin !== undefined && (isSent('origin') || written.preflight !== undefined),
      'sends the header `Origin`; leave it out of `requestHeaders` and `preflight`',
    ],
    ['navigate', navigate && !request.startsWith('GET '), 'needs `GET`: so a tab is opened'],
    [
      'location',
      location !== undefined && (!navigate || expect === 'allow'),
      'needs `navigate: true` and a refusal code: others are sent nowhere',
    ],
  ]
  return found.flatMap(([key, isWrong, problem]) => (isWrong ? [{ key, problem }] : []))
}

interface WrittenRepeat {
  readonly repeat?: number | undefined
  readonly expect: string
  readonly reported?: string | undefined
}

/** Each case begins with limits that nobody has spent of. */
function repeatProblems({
  repeat,
  expect,
  reported,
  preflight: asked,
}: WrittenRepeat & Pick<WrittenRequest, 'preflight'>): readonly KeyProblem[] {
  if (repeat !== undefined)
    return asked === undefined ? [] : [{ key: 'repeat', problem: 'counts for nothing: no limit counts preflights' }]
  const problem = 'needs `repeat`: the first request is always within its limits'
  if (expect === 'rate_limited') return [{ key: 'expect', problem }]
  return reported === 'rate_limited' ? [{ key: 'reported', problem }] : []
}

interface WrittenProof {
  readonly proof?: unknown
  readonly claims?: Claims | undefined
  readonly introspection?: WrittenAnswer | undefined
  readonly requestHeaders: Readonly<Record<string, string>>
}

function proofProblem(written: WrittenProof): string | undefined {
  const { proof: given, requestHeaders } = written
  if (given === undefined) return undefined
  const ofToken = claimsOf(written)
  if (ofToken === undefined) return 'needs `claims` or `introspection`: it says how their token is proven'
  if (saysItsKey(ofToken))
    return `says what \`cnf.jkt\` is; leave it out of \`${written.claims === undefined ? 'introspection' : 'claims'}\``
  if (Object.keys(requestHeaders).some(name => name.toLowerCase() === 'dpop'))
    return 'sends the header `DPoP`; leave it out of `requestHeaders`'
  return undefined
}

/** Returns what is known of the token of a case; undefined where it has none. */
function claimsOf({
  claims: given,
  introspection,
}: Pick<WrittenProof, 'claims' | 'introspection'>): Claims | undefined {
  if (introspection === undefined) return given
  return introspection.active ? introspection.claims : {}
}

/** @throws {SyntaxError} no request can be made of it; the message says why */
export function requestOf({ request, requestHeaders, preflight: asked }: WrittenRequest): RequestFacts {
  const [, method, target] = /^(\S+) +(\S+)$/.exec(request) ?? []
  if (method === undefined || target === undefined)
    throw new SyntaxError('must be a method and a path, like `GET /orders`')
  return trialRequest(method, target, [...Object.entries(requestHeaders).flat(), ...(asked ? linesOf(asked) : [])])
}

function linesOf({ origin, method, headers }: WrittenPreflight): readonly string[] {
  const names = headers.length === 0 ? [] : ['Access-Control-Request-Headers', headers.join(',')]
  return ['Origin', origin, 'Access-Control-Request-Method', method, ...names]
}
