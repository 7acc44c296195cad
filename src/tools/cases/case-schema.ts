/**
 * Holds the schema of a file of test cases: what a case may say.
 *
 * What must not go together in one is in `case-problems.ts`. What a configuration has no use for is found when the case
 * is run.
 */
import * as z from 'zod'
import { problemText } from '../../config/check/findings.ts'
import { originProblem } from '../../config/schema/cors-schema.ts'
import { duration, flag, judgedText, list, text } from '../../config/schema/fields.ts'
import { didYouMean } from '../../config/schema/suggest.ts'
import { DENIAL_CODES, denialSpec, type Stage } from '../../errors.ts'
import { TOOLS_CALL } from '../../mcp/message.ts'
import { entryOfPeople, timeOfPeople, type WrittenEntry } from '../../revocation/entry.ts'
import type { Claims } from '../../types.ts'
import { writtenAnswer } from '../engine/answering.ts'
import { FETCH_SITES } from '../engine/browser-request.ts'
import { caseProblems } from './case-problems.ts'

/** An entry whose issuer is that of the token where it names none. */
export type CaseEntry = Omit<WrittenEntry, 'issuer'> & { readonly issuer: string | undefined }

const claims = z.custom<Claims>(value => typeof value === 'object' && value !== null && !Array.isArray(value), {
  error: 'must be a block of claims, like `{ sub: alice, scope: orders:read }`',
})

/** No claim is called so, and the keys of other blocks suggest it. */
const session = claims.refine(value => typeof value.claims !== 'object' || value.claims === null, {
  error: 'has the claims themselves, with no `claims` around them; write `{ sub: alice, scope: orders:read }`',
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
  if (value === 'login')
    return 'is no refusal code: a browser that is sent to log in (302) is refused with `token_missing`; write that, `navigate: true`, and in `location` where it is sent'
  const expected = DENIAL_CODES.find(each => each === value)
  if (expected === undefined)
    return `must be \`allow\` or a refusal code like \`scope_missing\`.${didYouMean(value, ['allow', ...DENIAL_CODES])}`
  if (expected === 'rate_limit_unavailable')
    return 'can never come of a case, which counts for itself and asks no store; expect `rate_limited`'
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

const preflight = z.strictObject({
  origin: judgedText(pageProblem).describe('Origin of the page: `https://app.example.com`.'),
  method: text().describe('Method of the request that the page has in mind.'),
  headers: z.array(text()).default([]).describe('Headers that the page wants to send.'),
})

/** A page has one origin, as browsers write it; that of a sandboxed one is `null`. */
function pageProblem(origin: string): string | undefined {
  if (origin === 'null') return undefined
  return origin.includes('*') ? 'is what many pages have; write that of one page' : originProblem(origin)
}

/** More would take long, and say no more. */
export const MOST_REPEATS = 100_000

const mcp = z.strictObject({
  method: text().default(TOOLS_CALL).describe('Method of the message. Default `tools/call`.'),
  tool: text().optional().describe('The tool that is called.'),
})

const caseSchema = z
  .strictObject({
    name: text().describe('What must hold, in words.'),
    request: z.string().describe('Method and path: `GET /orders?x=1`.'),
    preflight: preflight
      .optional()
      .describe(
        'The request asks for a page: `{ origin: URL, method: PUT, headers: [content-type] }`. It brings no token.',
      ),
    mcp: mcp
      .optional()
      .describe('The body calls a tool: `{ tool: orders.delete }`; left out where bodies are judged: it calls none.'),
    session: session
      .optional()
      .describe('Claims of somebody whom a browser is logged in as; its cookie is sent. In place of `claims`.'),
    origin: judgedText(pageProblem).optional().describe('The page that sends the request: `https://app.example.com`.'),
    fetchSite: z
      .enum(FETCH_SITES)
      .optional()
      .describe(
        'Where that page is: `same-origin`, `same-site`, `cross-site`, `none` or `absent`. Left out: as `origin` says, else `same-origin`.',
      ),
    navigate: flag().default(false).describe('`true`: a browser is about to show the page in a tab.'),
    steppedUp: flag()
      .default(false)
      .describe('`true`: the session has just begun, and its login was asked for what the route requires.'),
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
    repeat: z
      .int()
      .min(2, { error: 'must be at least 2; left out, the request is sent once' })
      .max(MOST_REPEATS)
      .optional()
      .describe('The request is sent so often at one instant, and `expect` is about the last one. Left out: once.'),
    expect: expectation.describe('`allow`, or the refusal code.'),
    location: text()
      .optional()
      .describe('Where a browser is sent in place of the page, with `navigate: true`: `/auth/login?return=%2F`.'),
    reported: code.optional().describe('What a report-only route must report.'),
    route: text().optional().describe('Id of the route that must take the request.'),
    headers: z
      .record(text(), z.string().nullable())
      .default({})
      .describe('Headers the upstream must get; `null`: must not get.'),
  })
  .superRefine((written, context) => {
    for (const { key, problem } of caseProblems(written))
      context.addIssue({ code: 'custom', path: [key], message: problem })
  })

export const caseFileSchema = z.strictObject({
  config: text().optional().describe('The configuration, from the folder of this file.'),
  tests: list(caseSchema),
})
