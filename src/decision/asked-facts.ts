/**
 * Reads what another proxy asks about: the request that its client has sent it.
 *
 * Each fact comes from one place (`callers.ts`). What else came of that kind is dropped, so nobody takes it for the
 * client's address or path later on. Client address and scheme are the last element of `X-Forwarded-For` and
 * `X-Forwarded-Proto`, for which no standard exists. Nothing is judged here but whether the facts are there, and what
 * the version of the question forbids: the target is read by the same code as every other one.
 */
import { METHODS } from 'node:http'
import { isIP } from 'node:net'
import type { TrustedProxies } from '../downstream/client-address.ts'
import { canonicalAddress } from '../downstream/client-address.ts'
import { Denial } from '../errors.ts'
import { fieldValues, hasOuterBlanks, listMembers } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { Peer, RequestFacts } from '../types.ts'
import { type Caller, DECIDE_PATH, FACT_HEADERS, type FactHeaders } from './callers.ts'

/** What is asked about, or why that cannot be told. */
type Asked =
  | { readonly facts: RequestFacts; readonly refusal?: undefined }
  /** The facts are those of the question. */
  | { readonly facts: RequestFacts; readonly refusal: Denial }

/** RFC 7239 §6.2: what a client is called whose address nobody has told. It is no address, so no list has it. */
const UNKNOWN_CLIENT = 'unknown'

/** Over HTTP/2 and in a header, any token can be a method; the parser of HTTP/1.1 takes these. */
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)

/** Names by which proxies say what was asked, and by whom; folded. */
export const SAID_BY_PROXIES: ReadonlySet<string> = new Set([
  'x-original-uri',
  'x-original-url',
  'x-original-method',
  'x-original-host',
  'x-rewrite-url',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-host',
  'x-forwarded-server',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-for',
  'x-forwarded-proto',
  'forwarded',
  'x-real-ip',
])

/** @param trusts who may ask */
export function askedFacts(caller: Caller, trusts: TrustedProxies): (question: RequestFacts) => Asked {
  const headers = FACT_HEADERS[caller]
  return question => {
    const { peer } = question
    if (!trusts(peer.address)) return refused(question, new Denial('caller_untrusted', { evidence: evidenceOf(peer) }))
    try {
      return { facts: headers === undefined ? factsOfLine(question) : factsOfHeaders(question, headers) }
    } catch (error) {
      if (!(error instanceof Denial)) throw error
      return refused(question, error)
    }
  }
}

/** Is true for a name by which some proxy would say what was asked, or by whom, in whatever spelling. */
export function isSaidByProxies(name: string): boolean {
  return SAID_BY_PROXIES.has(foldedFieldName(name))
}

/** What the question says about somebody else is not believed by anybody after this. */
function refused(question: RequestFacts, refusal: Denial): Asked {
  return { facts: { ...question, rawHeaders: unsaid(question.rawHeaders) }, refusal }
}

function evidenceOf({ address }: Peer): Readonly<Record<string, unknown>> {
  return { peer: address === undefined ? 'unix:' : canonicalAddress(address) }
}

function factsOfHeaders(question: RequestFacts, names: FactHeaders): RequestFacts {
  const { target, rawHeaders } = question
  if (target !== DECIDE_PATH && !target.startsWith(`${DECIDE_PATH}?`)) throw notAskedHere()
  const fact = (name: string): string => {
    const [value = '', ...more] = fieldValues(rawHeaders, name)
    if (value === '') throw malformed(name, 'is missing')
    if (more.length > 0) throw malformed(name, 'has several lines')
    return value
  }
  const method = fact(names.method)
  if (!KNOWN_METHODS.has(method)) throw malformed(names.method, 'is no method')
  const host = fact(names.host)
  const lines = unsaid(rawHeaders, 'host')
  return asked(question, {
    method,
    target: fact(names.target),
    lines: ['Host', host, ...(hasKey(lines) ? handshake(lines) : lines)],
  })
}

function factsOfLine(question: RequestFacts): RequestFacts {
  const { method, target, rawHeaders } = question
  if (!target.startsWith(DECIDE_PATH)) throw notAskedHere()
  const original = target.slice(DECIDE_PATH.length)
  if (original === '') throw malformed('target', 'is missing')
  const lines = unsaid(rawHeaders)
  // `Upgrade` is that of the client here: one that names other protocols alone asks for no WebSocket, as ever.
  const protocols = listMembers(lines, 'upgrade').map(protocol => protocol.split('/')[0])
  const isHandshake = hasKey(lines) && (protocols.length === 0 || protocols.includes('websocket'))
  return asked(question, { method, target: original, lines: isHandshake ? handshake(lines) : lines })
}

/** RFC 6455 §4.1: without a key there is no handshake. No page can set one, and proxies pass it on. */
function hasKey(lines: readonly string[]): boolean {
  return fieldValues(lines, 'sec-websocket-key').length > 0
}

/**
 * Writes a handshake as its service sees it. Proxies take `Upgrade` out of their question, or put one of their own
 * there; and some services upgrade where it lists other protocols besides. Judged as a plain GET, the handshake of a
 * foreign page would be let in where strangers are, in place of being refused, and tokens that only handshakes may
 * bring would not be read.
 */
function handshake(lines: readonly string[]): readonly string[] {
  const others = lines.filter((_, i) => (lines[i - (i % 2)] as string).toLowerCase() !== 'upgrade')
  return ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...others]
}

interface Original {
  readonly method: string
  readonly target: string
  readonly lines: readonly string[]
}

/** No proxy says by which version its client has asked. It counts as 1.1, of which alone there are handshakes. */
function asked(question: RequestFacts, { method, target, lines }: Original): RequestFacts {
  checkVersion(question)
  return { ...question, method, target, httpVersion: '1.1', rawHeaders: lines, peer: clientOf(question.rawHeaders) }
}

/** What only the version of the question forbids (`downstream/head.ts`), since that is not known of what it asks. */
function checkVersion({ httpVersion, rawHeaders }: RequestFacts): void {
  if (httpVersion === '1.1') return
  if (httpVersion !== '1.0' && httpVersion !== '2') throw malformed('HTTP version', 'is unknown')
  if (fieldValues(rawHeaders, 'transfer-encoding').length > 0)
    throw malformed('transfer-encoding', `is no field of HTTP/${httpVersion}`)
  const isBlank = httpVersion === '2' && rawHeaders.some((value, i) => i % 2 === 1 && hasOuterBlanks(value))
  if (isBlank) throw malformed('value', 'has blanks around it')
}

/** The peer of the proxy. No certificate is known of it, since nobody has said which header would name one. */
function clientOf(rawHeaders: readonly string[]): Peer {
  const address = lastElement(rawHeaders, 'x-forwarded-for')
  return {
    address: isIP(address) === 0 ? UNKNOWN_CLIENT : canonicalAddress(address),
    protocol: lastElement(rawHeaders, 'x-forwarded-proto').toLowerCase() === 'https' ? 'https' : 'http',
  }
}

/** RFC 9110 §5.3: several lines of one field are one list. */
function lastElement(rawHeaders: readonly string[], name: string): string {
  return fieldValues(rawHeaders, name).join(',').split(',').at(-1)?.trim() ?? ''
}

/** @param besides another name that goes, in lower case */
function unsaid(rawHeaders: readonly string[], besides?: string): readonly string[] {
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (isSaidByProxies(name) || name.toLowerCase() === besides) continue
    kept.push(name, rawHeaders[i + 1] as string)
  }
  return kept
}

function malformed(what: string, problem: string): Denial {
  return new Denial('request_malformed', { evidence: { what, problem } })
}

function notAskedHere(): Denial {
  return new Denial('route_unknown', { evidence: { reason: `the decision listener is asked at ${DECIDE_PATH}` } })
}
