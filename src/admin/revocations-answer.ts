/**
 * Decides what `/-/revocations` answers: who may ask, what an entry has to be, and what has become of it.
 *
 * `Authorization: Bearer` (RFC 6750 §2.1) carries one of the secrets of a file; several make a rotation possible. The
 * body is one entry (`revocation/entry.ts`), read as strictly as a token. Who is revoked is never listed: whoever asks
 * has to know whom they ask about.
 */
import { ADMIN_STATUS } from '../errors.ts'
import { isOneOf } from '../lib/secrets.ts'
import { parseStrictJson } from '../lib/strict-json.ts'
import {
  entryOfPrograms,
  type RevocationEntry,
  type RevocationSubject,
  type WrittenEntry,
  withTimes,
} from '../revocation/entry.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Revoked, Revoker } from '../revocation/revoker.ts'
import { REVOCATIONS_METHODS, type RevocationsAnswer, type RevocationsRequest } from './revocations.ts'

/** What the configuration in force says of the path. */
interface RevocationsRules {
  readonly secrets: readonly Buffer[]
  readonly keepSeconds: number
  /** Every spelling of an issuer, itself included: an entry may name any of them. */
  readonly spellingsOf: (issuer: string) => readonly string[]
  /** Says what is wrong with an issuer whose tokens nobody takes; undefined for one of a provider. */
  readonly issuerProblem: (issuer: string) => string | undefined
}

interface AnswerDeps {
  /** Asked for each request; undefined: the path does not exist. */
  readonly rules: () => RevocationsRules | undefined
  readonly revoker: Revoker
  readonly revocations: Pick<Revocations, 'inForce'>
  readonly nowSeconds: () => number
  /** Called once for each change that was accepted. */
  readonly onChange: (verb: 'revoke' | 'undo', entry: WrittenEntry, done: Revoked) => void
}

/** An answer that ends the request early. */
class Refused extends Error {
  readonly answer: RevocationsAnswer

  constructor(answer: RevocationsAnswer) {
    super('refused')
    this.answer = answer
  }
}

const RETRY_SECONDS = '5'
const MOST_DEPTH = 4
const CHANGING: ReadonlySet<string> = new Set(['POST', 'DELETE'])

export function revocationsAnswer(deps: AnswerDeps): (request: RevocationsRequest) => Promise<RevocationsAnswer> {
  return async request => {
    try {
      const rules = admitted(request, deps.rules())
      if (!CHANGING.has(request.method)) return shown(request.query, rules, deps)
      const written = entryIn(request)
      return request.method === 'POST' ? await revoke(written, rules, deps) : await undo(written, rules, deps)
    } catch (error) {
      if (error instanceof Refused) return error.answer
      throw error
    }
  }
}

/** @throws {Refused} the request may not get any further */
function admitted(
  { method, authorization, contentType, body }: RevocationsRequest,
  rules: RevocationsRules | undefined,
) {
  if (rules === undefined) throw new Refused({ status: ADMIN_STATUS.notFound, body: 'not found\n' })
  if (!(REVOCATIONS_METHODS as readonly string[]).includes(method)) {
    const headers = { allow: REVOCATIONS_METHODS.join(', ') }
    throw new Refused({ status: ADMIN_STATUS.methodNotAllowed, headers, body: 'method not allowed\n' })
  }
  const secret = /^Bearer +(.+?) *$/i.exec(authorization ?? '')?.[1]
  if (secret === undefined || !isOneOf(rules.secrets, secret)) {
    const headers = { 'www-authenticate': 'Bearer realm="sallyport-admin"' }
    const error = 'send `Authorization: Bearer` with a secret of `revocation.api.tokenFile`'
    throw new Refused({ status: ADMIN_STATUS.secretWrong, headers, body: { error } })
  }
  if (!CHANGING.has(method)) return rules
  if (!/^application\/json[\t ]*(?:;|$)/i.test(contentType ?? ''))
    throw refusal(ADMIN_STATUS.typeUnsupported, 'send the entry as JSON, with `Content-Type: application/json`')
  if (body === undefined) throw refusal(ADMIN_STATUS.tooLarge, 'send one entry, of 64 KiB at most')
  return rules
}

/** @throws {Refused} there is no entry in the body */
function entryIn({ body = '' }: RevocationsRequest): WrittenEntry {
  let value: unknown
  try {
    value = parseStrictJson(Buffer.from(body, 'base64'), MOST_DEPTH)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw refusal(ADMIN_STATUS.malformed, `the body is no JSON text with one meaning: ${error.message}`)
  }
  return entryOf(value)
}

/** @throws {Refused} the value is no entry */
function entryOf(value: unknown): WrittenEntry {
  const parsed = entryOfPrograms.safeParse(value, { error: problemText })
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.flatMap(issue => {
    if (issue.code !== 'unrecognized_keys') return [{ member: issue.path.join('.'), message: issue.message }]
    return issue.keys.map(member => ({ member, message: 'is no member of an entry; leave it out' }))
  })
  throw malformed(problems)
}

interface Problem {
  /** Empty when it is about the whole. */
  readonly member: string
  readonly message: string
}

function malformed(problems: readonly Problem[]): Refused {
  const error = problems
    .map(({ member, message }) => `${member === '' ? 'the entry' : `\`${member}\``} ${message}`)
    .join('; ')
  return new Refused({ status: ADMIN_STATUS.malformed, body: { error, problems } })
}

/** A problem before it has its text. */
interface RawIssue {
  readonly code?: string | undefined
  readonly input?: unknown
  readonly path?: readonly unknown[] | undefined
}

/** Words what the schema says nothing of its own about. */
function problemText({ code, input, path }: RawIssue): string | undefined {
  if (code !== 'invalid_type') return undefined
  if (path === undefined || path.length === 0) return 'must be an object'
  return input === undefined ? 'is missing' : 'must be text'
}

async function revoke(written: WrittenEntry, { keepSeconds, issuerProblem }: RevocationsRules, deps: AnswerDeps) {
  const problem = issuerProblem(written.issuer)
  // A slash too much would revoke nobody, and look as if it had.
  if (problem !== undefined) throw malformed([{ member: 'issuer', message: problem }])
  const entry = withTimes(written, deps.nowSeconds(), keepSeconds)
  const done = await told(deps.revoker.revoke(entry, 'api'))
  if (done.result === 'full')
    throw unavailable('there is no place for another entry; raise `revocation.entries`, or undo what is not needed')
  deps.onChange('revoke', written, done)
  return changed(done, { entry: shownEntry(entry) })
}

async function undo(written: WrittenEntry, rules: RevocationsRules, deps: AnswerDeps): Promise<RevocationsAnswer> {
  const found: Revoked[] = []
  for (const each of spelled(written, rules)) found.push(await told(deps.revoker.undo(each, 'api')))
  const done = found.find(({ result }) => result === 'undone') ?? (found[0] as Revoked)
  deps.onChange('undo', written, done)
  const stays = standing(written, rules, deps)?.source === 'file'
  return changed(done, stays ? { inForceByFile: true, remedy: 'take the entry out of `revocation.file`, too' } : {})
}

/** @throws {Refused} the store is down and cannot be told later either; the change is in force in this gateway */
async function told(change: Promise<Revoked>): Promise<Revoked> {
  try {
    return await change
  } catch {
    throw unavailable(
      'it is in force in this gateway only: the store is down, and too much waits for it; send it again',
    )
  }
}

function changed({ result, scope, id, isQueued }: Revoked, more: Readonly<Record<string, unknown>>): RevocationsAnswer {
  return { status: isQueued ? ADMIN_STATUS.accepted : ADMIN_STATUS.ok, body: { result, scope, id, ...more } }
}

function shownEntry({ issuer, kind, value, before, until, reason }: RevocationEntry) {
  return { issuer, [kind]: kind === 'all' ? true : value, before, until, reason }
}

/**
 * Without `iat` the question is whether there is an entry, with it whether a token of that second is revoked.
 *
 * @throws {Refused} the query is about nobody
 */
function shown(query: string | undefined, rules: RevocationsRules, deps: AnswerDeps): RevocationsAnswer {
  if (query === undefined || query === '') return { status: ADMIN_STATUS.ok, body: { show: 'status' } }
  const members = [...new URLSearchParams(query)]
  const repeated = members.find(([name], index) => members.some(([other], later) => later > index && other === name))
  if (repeated !== undefined) throw malformed([{ member: repeated[0], message: 'is there twice; send it once' }])
  const { iat, ...subject } = Object.fromEntries(members)
  if (iat !== undefined && !/^\d{1,12}$/.test(iat))
    throw malformed([{ member: 'iat', message: 'must be whole seconds since the epoch, like `1767225600`' }])
  const others = Object.keys(subject).filter(name => !ASKED_BY.has(name))
  if (others.length > 0)
    throw malformed(others.map(member => ({ member, message: 'cannot be asked by; leave it out' })))
  const entry = entryOf({ ...subject, ...(subject.all === 'true' ? { all: true } : {}) })
  const hit = standing(entry, rules, deps, iat === undefined ? undefined : Number(iat))
  return { status: ADMIN_STATUS.ok, body: { inForce: hit !== undefined, before: hit?.before, source: hit?.source } }
}

const ASKED_BY: ReadonlySet<string> = new Set(['issuer', 'jti', 'sub', 'sid', 'client', 'all'])

/** A token of the first second is revoked by any entry. */
function standing(subject: RevocationSubject, rules: RevocationsRules, { revocations }: AnswerDeps, iat = 0) {
  for (const each of spelled(subject, rules)) {
    const hit = revocations.inForce(each, iat)
    if (hit !== undefined) return hit
  }
  return undefined
}

/** The same subject under every spelling of its issuer, of which the given one is the first. */
function spelled<T extends RevocationSubject>(subject: T, { spellingsOf }: RevocationsRules): readonly T[] {
  return [...new Set([subject.issuer, ...spellingsOf(subject.issuer)])].map(issuer => ({ ...subject, issuer }))
}

function refusal(status: number, error: string): Refused {
  return new Refused({ status, body: { error } })
}

function unavailable(error: string): Refused {
  return new Refused({ status: ADMIN_STATUS.notReady, headers: { 'retry-after': RETRY_SECONDS }, body: { error } })
}
