/**
 * Holds the schema of `rateLimits`: how much each key may do, and what keys are made of.
 *
 * Rules that reach beyond a limit are in `check-rate-limits.ts`.
 */
import * as z from 'zod'
import type { KeyPart } from '../../limit/limit-key.ts'
import { readRate } from '../../limit/rate.ts'
import { claimReference, duration, flag, readText } from './fields.ts'

const rate = readText(readRate)

const BY_CLAIM = ['claim', 'values', 'default'] as const

const rateByClaim = z
  .strictObject({
    claim: claimReference()
      .superRefine(withoutPrefix)
      .optional()
      .describe('Claim name or JSON Pointer; its value chooses the rate.'),
    values: z
      .record(z.string(), rate)
      .refine(values => Object.keys(values).length > 0, { error: 'must not be empty; name a value, or write one rate' })
      .optional()
      .describe('Value of the claim → rate.'),
    default: rate.optional().describe('For every other value, and for callers without the claim.'),
  })
  .transform(({ claim, values, default: otherwise }, context) => {
    if (claim !== undefined && values !== undefined && otherwise !== undefined)
      return { claim, values, default: otherwise }
    // An unknown key has been reported already, and is probably a misspelling of the missing one.
    if (context.issues.length === 0)
      context.issues.push({
        code: 'custom',
        message:
          'must have `claim`, `values` and `default`, like `{ claim: plan, values: { gold: 500/s }, default: 10/s }`',
        input: undefined,
      })
    return z.NEVER
  })
  .meta({ required: BY_CLAIM })

/** So much is known to be told by the others after this time. */
export const DEFAULT_SYNC_MS = 50

const rateLimitBlock = z.strictObject({
  rate: z
    .union([rate, rateByClaim])
    .describe('`100/s`, `30/m`, `10/h`; or by the value of a claim: `{ claim, values, default }`.'),
  burst: z.int().min(1).max(10_000_000).optional().describe('How many may come at once. Default: one second’s worth.'),
  key: z
    .array(z.string({ error: partProblem }).pipe(readText(readKeyPart)))
    .min(1, { error: 'must not be empty; `[route]` lets all callers of a route share one quota' })
    .refine(parts => new Set(parts.map(partText)).size === parts.length, {
      error: 'names a part twice; keep one of them',
      when: ({ issues }) => issues.length === 0,
    })
    .describe('Who shares a quota: `claims.NAME` (or `claims./pointer`), `provider`, `route`, `client` (the address).'),
  store: flag().default(false).describe('`true`: all gateways share the quotas, in `store`. Default `false`.'),
  sync: duration({ min: '10ms', max: '10s' })
    .optional()
    .describe('How often the store is told what was spent. Default `50ms`.'),
  exact: flag()
    .default(false)
    .describe('`true`: each request asks the store, for small quotas like `10/h`. Default `false`.'),
  onFailure: z
    .enum(['local', 'refuse'])
    .optional()
    .describe('While the store is away: each process counts for itself (`local`), or 503 (`refuse`). Default `local`.'),
  entries: z.int().min(1).max(10_000_000).default(50_000).describe('Most keys that a process keeps. Default 50000.'),
  headers: z.enum(['on', 'off']).default('on').describe('`off`: answers say nothing about it. Default `on`.'),
})

export const rateLimitSchema = rateLimitBlock.describe('How much may be done, and by whom.')

/** Reads `claims.sub`, `claims./org/id`, `provider`, `route` or `client`. */
function readKeyPart(text: string): KeyPart {
  if (text === 'provider' || text === 'route' || text === 'client') return text
  const claim = /^claims\.(.+)$/s.exec(text)?.[1]
  if (claim === undefined)
    throw new SyntaxError(`must be \`claims.NAME\`, \`provider\`, \`route\` or \`client\`${meant(text)}`)
  if (/^\w+(?:\.\w+)+$/.test(claim))
    throw new SyntaxError(
      `has a dot in the name of the claim; write \`claims./${claim.replaceAll('.', '/')}\` for the member of a claim, or \`claims./${claim}\` for one with that name`,
    )
  const { success, error } = claimReference().safeParse(claim)
  if (!success) throw new SyntaxError(error.issues[0]?.message ?? 'is no claim')
  return { claim }
}

/** In `when` and `key` claims have a prefix, and here it would be a part of the name. */
function withoutPrefix(claim: string, context: z.RefinementCtx<string>): void {
  const [, bare] = /^claims\.(.+)$/s.exec(claim) ?? []
  if (bare !== undefined)
    context.addIssue({ code: 'custom', message: `is written without \`claims.\` here: \`${bare}\`` })
}

/** Others write the parts of a key as blocks: `{ claim: sub }`. */
function partProblem({ input }: { readonly input?: unknown }): string | undefined {
  if (typeof input !== 'object' || input === null || !('claim' in input) || typeof input.claim !== 'string')
    return undefined
  return `must be text; write \`claims.${input.claim}\``
}

const MEANT: ReadonlyMap<string, string> = new Map([
  ...['ip', 'address', 'remote_addr', 'clientip', 'client_ip', 'remoteaddress'].map(each => [each, 'client'] as const),
  ...['path', 'global', 'all', '*', 'none', 'service', 'endpoint'].map(each => [each, 'route'] as const),
  ...['user', 'caller', 'subject', 'claims', 'claims.'].map(each => [each, 'claims.sub'] as const),
  ['issuer', 'provider'],
  ['iss', 'claims.iss'],
])

/** What anybody can write as he likes would give everybody as many quotas as he likes. */
const OF_REQUEST =
  /^(?:request|params?|headers?|query|cookies?|x)[.:[-]|^(?:params?|headers?|query|cookies?)$|^(?:authorization|host|user-agent|method)$/i

function meant(text: string): string {
  if (OF_REQUEST.test(text)) return '; what a caller can write at will is no part of a key'
  const found = MEANT.get(text.toLowerCase()) ?? (/^[\w/:.-]+$/.test(text) ? `claims.${text}` : undefined)
  return found === undefined ? '' : `; write \`${found}\``
}

/** Writes a part as {@link readKeyPart} reads it. */
export function partText(part: KeyPart): string {
  return typeof part === 'string' ? part : `claims.${part.claim}`
}
