/**
 * Reads a file of test cases: which requests a policy must let pass, which it must refuse, and with what.
 *
 * The file is read like a configuration: unknown keys are errors, and every problem is reported at once with its place.
 */

import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import { type Finding, findings, problemText } from '../../config/check/findings.ts'
import { problemReport } from '../../config/check/report.ts'
import type { Environment } from '../../config/read/environment.ts'
import { readSource } from '../../config/read/source.ts'
import { duration, list, text } from '../../config/schema/fields.ts'
import { didYouMean } from '../../config/schema/suggest.ts'
import { ConfigError, DENIAL_CODES, denialSpec, type Stage } from '../../errors.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { entryOfPeople, timeOfPeople, type WrittenEntry } from '../../revocation/entry.ts'
import type { Claims, RequestFacts } from '../../types.ts'
import { type WrittenAnswer, writtenAnswer } from '../engine/answering.ts'
import { type ProofFaults, saysItsKey } from '../engine/prover.ts'
import { readCertificate } from '../engine/shown-certificate.ts'
import { trialRequest } from '../engine/trial.ts'

const claims = z.custom<Claims>(value => typeof value === 'object' && value !== null && !Array.isArray(value), {
  error: 'must be a block of claims, like `{ sub: alice, scope: orders:read }`',
})

const answer = z
  .custom<Claims>(value => writtenAnswer(value) !== undefined, {
    error: 'must be what a server answers, with `active: true` or `active: false`, like `{ active: true, sub: alice }`',
  })
  .transform(value => writtenAnswer(value) ?? { active: false as const })

const code = z.string({ error: issue => problemText(issue) }).superRefine((value, context) => {
  if (!(DENIAL_CODES as readonly string[]).includes(value))
    context.addIssue({ code: 'custom', message: `is no refusal code.${didYouMean(value, DENIAL_CODES)}` })
})

const expectation = z.string().superRefine((value, context) => {
  const message = expectationProblem(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** Stages at which a request is refused for its connection, the service or a bug, none of which a case has. */
const BEYOND_CASES: ReadonlySet<Stage> = new Set(['anywhere', 'receive', 'forward'])

function expectationProblem(value: string): string | undefined {
  if (value === 'allow') return undefined
  const expected = DENIAL_CODES.find(each => each === value)
  if (expected === undefined)
    return `must be \`allow\` or a refusal code like \`scope_missing\`.${didYouMean(value, ['allow', ...DENIAL_CODES])}`
  if (!BEYOND_CASES.has(denialSpec(expected).stage)) return undefined
  return 'can never come of a case, which has no connection and no service; expect what the policy decides'
}

/** Stands in an entry for the issuer that it leaves out. No issuer is called so: it would be no URL and no name. */
const OF_THE_CASE = '(the issuer of the token)'

/** An entry of a case is like one of a file, and need not name the issuer. */
const revokedEntry = z
  .preprocess(value => {
    const isBlock = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isBlock && !Object.hasOwn(value, 'issuer') ? { ...value, issuer: OF_THE_CASE } : value
  }, entryOfPeople)
  .transform(({ issuer, ...entry }): CaseEntry => ({ ...entry, issuer: issuer === OF_THE_CASE ? undefined : issuer }))

const proof = z.union([
  z
    .string()
    .superRefine((value, context) => {
      if (value !== 'dpop' && value !== 'none')
        context.addIssue({ code: 'custom', message: 'must be `dpop`, `none`, or a block like `{ age: 2m }`' })
    })
    .transform(value => (value === 'none' ? ('none' as const) : ('dpop' as const))),
  z.strictObject({
    htu: text().optional().describe('The proof is for this URL.'),
    age: duration({ min: '1s' }).optional().describe('The proof was made so long ago.'),
    key: z.literal('other').optional().describe('`other`: the proof is by a key that the token is not bound to.'),
  }),
])

const caseSchema = z
  .strictObject({
    name: text().describe('What must hold, in words.'),
    request: z.string().describe('Method and path: `GET /orders?x=1`.'),
    requestHeaders: z.record(text(), z.string()).default({}).describe('Headers of the request.'),
    claims: claims.optional().describe('Claims of a valid token; left out: no token.'),
    introspection: answer
      .optional()
      .describe('What the server says of the token, as it is: nothing is filled in. In place of `claims`.'),
    provider: text().optional().describe('Provider whose token it is.'),
    revoked: list(revokedEntry)
      .default([])
      .describe('What is revoked: `{ sub: alice }`. Without `issuer` that of the token, without `before` up to now.'),
    revocation: z
      .literal('stale')
      .optional()
      .describe('`stale`: revocations may be missing, so that `whenStale` decides.'),
    now: timeOfPeople
      .optional()
      .describe('When the request arrives: `2026-01-01T00:00:00Z`, or whole seconds since the epoch. Left out: now.'),
    proof: proof
      .optional()
      .describe(
        'The token is bound to a key: `dpop` with a valid proof, `none` without one, or `{ htu: URL, age: 2m, key: other }` with another.',
      ),
    certificate: text()
      .optional()
      .describe(
        'The token is bound to a certificate: a PEM file, from the folder of this file, which is shown, or `none`, and none is.',
      ),
    expect: expectation.describe('`allow`, or the refusal code.'),
    reported: code.optional().describe('What a report-only route must report.'),
    route: text().optional().describe('Id of the route that must take the request.'),
    headers: z
      .record(text(), z.string().nullable())
      .default({})
      .describe('Headers the upstream must get; `null`: must not get.'),
  })
  .superRefine((written, context) => {
    const { request, requestHeaders, expect, headers } = written
    const message = proofProblem(written)
    if (written.claims !== undefined && written.introspection !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['introspection'],
        message: 'says all that is known of the token; leave out `claims`, or this',
      })
    if (written.certificate !== undefined && claimsOf(written) === undefined)
      context.addIssue({
        code: 'custom',
        path: ['certificate'],
        message: 'needs `claims` or `introspection`: their token is bound to it',
      })
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['proof'], message })
    try {
      requestOf(request, requestHeaders)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      context.addIssue({ code: 'custom', path: ['request'], message: error.message })
    }
    if (expect !== 'allow' && Object.keys(headers).length > 0)
      context.addIssue({
        code: 'custom',
        path: ['headers'],
        message: 'needs `expect: allow`: a refused request has none',
      })
  })

interface WrittenProof {
  readonly proof?: z.infer<typeof proof> | undefined
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

const caseFileSchema = z.strictObject({
  config: text().optional().describe('The configuration, from the folder of this file.'),
  tests: list(caseSchema),
})

/** An entry whose issuer is that of the token where it names none. */
type CaseEntry = Omit<WrittenEntry, 'issuer'> & { readonly issuer: string | undefined }

export interface TestCase {
  readonly name: string
  readonly request: RequestFacts
  readonly claims: Claims | undefined
  /** What the server says of the token; undefined where none is asked. */
  readonly introspection: WrittenAnswer | undefined
  readonly provider: string | undefined
  /** They are in force besides what the configuration's own file says. */
  readonly revoked: readonly CaseEntry[]
  readonly revocation: 'stale' | undefined
  /** When the request arrives, in seconds since the epoch; undefined: as of the real time. */
  readonly now: number | undefined
  /** How the key is proven that the token is bound to; undefined for a token that is not bound by it. */
  readonly proof: 'dpop' | 'none' | ProofFaults | undefined
  /** Which certificate is shown; undefined for a token that is not bound by it. */
  readonly certificate: X509Certificate | 'none' | undefined
  readonly expect: string
  readonly reported: string | undefined
  readonly route: string | undefined
  readonly headers: Readonly<Record<string, string | null>>
  /** The line on which the case begins; the first line of a file is 1. */
  readonly line: number
}

interface CaseFile {
  readonly file: string
  /** The path is absolute; it is undefined when the file names no configuration. */
  readonly configFile: string | undefined
  readonly cases: readonly TestCase[]
}

/** Reads and checks the file. @throws {ConfigError} with every problem */
export function readCaseFile(file: string, env: Environment): CaseFile {
  const text = fileText(file)
  const source = readSource(text, env)
  const parsed = caseFileSchema.safeParse(source.value ?? {}, { error: problemText })
  const found = source.isBroken || parsed.success ? source.findings : [...source.findings, ...findings(parsed.error)]
  if (!parsed.success || found.length > 0) throw caseFileError(file, text, found, source.position)
  const { config, tests } = parsed.data
  const certificates = certificatesOf(tests, dirname(file))
  const unread = certificates.flatMap((each, index): Finding[] =>
    typeof each === 'object' && 'problem' in each
      ? [{ path: ['tests', index, 'certificate'], message: each.problem }]
      : [],
  )
  if (unread.length > 0) throw caseFileError(file, text, unread, source.position)
  return {
    file,
    configFile: config === undefined ? undefined : resolve(dirname(file), config),
    cases: tests.map(({ request, requestHeaders, ...rest }, index) => ({
      ...rest,
      claims: rest.claims,
      introspection: rest.introspection,
      provider: rest.provider,
      revocation: rest.revocation,
      now: rest.now,
      proof: rest.proof,
      certificate: certificates[index] as TestCase['certificate'],
      reported: rest.reported,
      route: rest.route,
      request: requestOf(request, requestHeaders),
      line: source.position({ path: ['tests', index], message: '' }).line,
    })),
  }
}

interface Unread {
  readonly problem: string
}

function certificatesOf(
  tests: ReadonlyArray<{ readonly certificate?: string | undefined }>,
  folder: string,
): ReadonlyArray<TestCase['certificate'] | Unread> {
  return tests.map(({ certificate }) => {
    if (certificate === undefined || certificate === 'none') return certificate
    try {
      return readCertificate(readFileSync(resolve(folder, certificate), 'utf8'))
    } catch (error) {
      return { problem: error instanceof SyntaxError ? error.message : `cannot be read: ${fileFailureText(error)}` }
    }
  })
}

/** @throws {SyntaxError} no request can be made of it; the message says why */
function requestOf(request: string, headers: Readonly<Record<string, string>>): RequestFacts {
  const [, method, target] = /^(\S+) +(\S+)$/.exec(request) ?? []
  if (method === undefined || target === undefined)
    throw new SyntaxError('must be a method and a path, like `GET /orders`')
  return trialRequest(method, target, Object.entries(headers).flat())
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '')
  } catch (error) {
    const message = `the file cannot be read: ${fileFailureText(error)}; check the path and the permissions`
    const problems = [{ path: [], message }]
    throw new ConfigError(problems, problemReport(file, '', problems))
  }
}

function caseFileError(
  file: string,
  text: string,
  found: readonly Finding[],
  position: (finding: Finding) => { readonly line: number; readonly column: number },
): ConfigError {
  const problems = found
    .map(finding => ({ path: finding.path, message: finding.message, ...position(finding) }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
  return new ConfigError(problems, problemReport(file, text, problems))
}
