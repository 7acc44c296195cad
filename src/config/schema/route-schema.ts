/**
 * Holds the schema of `routes`: which requests there are, and what each asks of its caller.
 *
 * RFC 9110 §9 (methods), RFC 6749 §3.3 (scopes), RFC 6901 (claim references).
 * Rules that span routes or refer to other sections are in `check-routes.ts`.
 */
import * as z from 'zod'
import type { ClaimRequirement } from '../../authorize/claims.ts'
import { foldedFieldName, isToken } from '../../lib/field-name.ts'
import { FORWARDED, METHODS } from '../../route/methods.ts'
import { parsePattern } from '../../route/pattern.ts'
import { whenSchema } from './condition-schema.ts'
import { corsOfRoute } from './cors-schema.ts'
import { acrList, age, claimReference, duration, flag, id, judgedText, list, scopeToken, text } from './fields.ts'
import { credentialHeaderProblem } from './header-names.ts'
import { mcpSchema } from './mcp-schema.ts'
import { revocationOfRoute } from './revocation-schema.ts'
import { didYouMean } from './suggest.ts'

const scalar = z.union([
  z.string(),
  // A JSON number past 2^53 loses digits when it is parsed, before it can be compared.
  z.number().refine(value => !Number.isInteger(value) || Number.isSafeInteger(value), {
    error: 'is too large to be compared exactly; issue and require it as text in quotes',
  }),
  z.boolean(),
])

const claimRequirement = z.union([
  scalar.transform((value): ClaimRequirement => ({ anyOf: [value] })),
  list(scalar).transform((values): ClaimRequirement => ({ anyOf: values })),
  z
    .strictObject({
      all: list(scalar).optional().describe('The claim is a list that contains every one of these.'),
      exists: z
        .literal(true, { error: 'can only be `true`; that a claim is absent cannot be asked for' })
        .optional()
        .describe('The claim is there, whatever its value.'),
    })
    .transform(({ all, exists }, context): ClaimRequirement => {
      if (all !== undefined && exists === undefined) return { all }
      if (exists === true && all === undefined) return { exists }
      // An unknown key has been reported already, and is probably a misspelling of the missing one.
      if (context.issues.length === 0)
        context.issues.push({ code: 'custom', message: 'must have one of `all` and `exists`', input: undefined })
      return z.NEVER
    }),
])

const requireSchema = z
  .strictObject({
    scopes: list(scopeToken()).optional().describe('The token has all of these scopes.'),
    anyScope: list(scopeToken()).optional().describe('The token has at least one of these scopes.'),
    roles: list(text()).optional().describe('The caller has all of these roles.'),
    anyRole: list(text()).optional().describe('The caller has at least one of these roles.'),
    claims: z
      .record(claimReference(), claimRequirement)
      .optional()
      .describe(
        'Claim name or JSON Pointer → what it must be: a scalar (equal, or contained in a list claim), a list (any of), `{ all: [...] }`, `{ exists: true }`.',
      ),
    proof: z
      .enum(['dpop', 'certificate', 'any'])
      .optional()
      .describe(
        'The token is bound to a key of a DPoP proof (`dpop`), to a client `certificate`, or to `any` of these.',
      ),
    acr: acrList()
      .optional()
      .describe('The caller has logged in in one of these ways (`acr`), or in a stronger one by `acrOrder`.'),
    authAge: age().optional().describe('The login (`auth_time`) is no longer ago than this.'),
    tokenAge: age().optional().describe('The issue of the token (`iat`) is no longer ago than this.'),
    when: whenSchema,
  })
  .refine(block => Object.values(block).some(asksForSomething), {
    error: 'asks for nothing; list scopes, roles or claims, or leave `require` out to accept every valid token',
    when: ({ issues }) => issues.length === 0,
  })
  .describe('What the token must carry. Every line must hold.')

function asksForSomething(line: unknown): boolean {
  return (
    typeof line === 'string' ||
    typeof line === 'number' ||
    (typeof line === 'object' && line !== null && Object.keys(line).length > 0)
  )
}

/** The section `streams` and the `streams` of a route have these keys. */
export const streamsShape = {
  onExpiry: z.enum(['close', 'keep']),
  grace: duration({ min: '0s' }),
  /** The least is a second, since streams are looked at once a second. */
  idleTimeout: duration({ min: '1s' }),
}

type CredentialSource =
  | 'authorization'
  | { readonly header: string }
  | { readonly websocketProtocol: string }
  | { readonly query: string; readonly only?: ReadonlyArray<'websocket' | 'eventStream'> }

const PLACES = ['header', 'websocketProtocol', 'query'] as const

const credentialPlace = z
  .strictObject({
    header: judgedText(credentialHeaderProblem).optional().describe('Name of a header whose value is the bare token.'),
    websocketProtocol: judgedText(name => (isToken(name) ? undefined : 'is no subprotocol; write one like `bearer`'))
      .optional()
      .describe('Subprotocol that the token follows; after `base64url.…` it follows a dot, in base64url.'),
    query: z
      .string()
      .regex(/^[A-Za-z0-9._~-]+$/, { error: 'is no plain name of a parameter; write one like `access_token`' })
      .optional()
      .describe('Name of a query parameter.'),
    only: list(z.enum(['websocket', 'eventStream']))
      .optional()
      .describe(
        'With `query`: requests that may use it, which are WebSocket handshakes and event streams. Default: all.',
      ),
  })
  .transform(({ header, websocketProtocol, query, only }, context): CredentialSource => {
    const named = [header, websocketProtocol, query].filter(name => name !== undefined)
    if (named.length === 1) {
      if (query !== undefined) return { query, ...(only !== undefined && { only }) }
      if (only === undefined) return header !== undefined ? { header } : { websocketProtocol: websocketProtocol ?? '' }
    }
    const message = named.length === 1 ? 'has `only`, which goes with `query`' : `must have one of ${PLACES.join(', ')}`
    // An unknown key has been reported already, and is probably a misspelling of the missing one.
    if (context.issues.length === 0) context.issues.push({ code: 'custom', message, input: undefined })
    return z.NEVER
  })

const credentialSource = z.union([
  z
    .string()
    .regex(/^authorization$/, { error: `must be \`authorization\`, or a block with one of ${PLACES.join(', ')}` })
    .transform((): CredentialSource => 'authorization'),
  credentialPlace,
])

export const credentialsSchema = list(credentialSource).refine(
  sources => new Set(sources.map(placeOf)).size === sources.length,
  { error: 'names a place twice; keep one of them', when: ({ issues }) => issues.length === 0 },
)

/** Two of them with the same place would both be filled by one token. */
function placeOf(source: CredentialSource): string {
  const { only: _, ...place } = typeof source === 'string' ? { header: source } : { only: undefined, ...source }
  return JSON.stringify(Object.entries(place).map(([kind, name]) => [kind, foldedFieldName(name)]))
}

export const routeSchema = z.strictObject({
  id: id().describe('Name of the route: metric label and log member.'),
  path: judgedText(pathProblem).describe(
    'Literal segments as they arrive on the wire, `:name` for one segment, `:name:verb` or `:name.json` for one that ends so, `/**` at the end for this path and everything below.',
  ),
  methods: list(z.enum(FORWARDED, { error: issue => methodProblem(issue.input) }))
    .optional()
    .describe('Methods of the route, also those of WebDAV and the like; GET covers HEAD. Default: all.'),
  access: z
    .enum(['required', 'optional', 'public'])
    .default('required')
    .describe(
      '`required`: a valid token. `optional`: none, or a valid one. `public`: tokens are not looked at. Default `required`.',
    ),
  require: requireSchema.optional(),
  providers: list(id())
    .optional()
    .describe('Ids of the providers whose tokens or sessions are accepted. Default: all but those of `type: session`.'),
  anonymous: z
    .enum(['login', 'refuse'])
    .optional()
    .describe('What a page without a session becomes, with a provider of `type: session`. Default `refuse`: 401.'),
  audiences: list(text())
    .optional()
    .describe('Narrows the audiences of the provider: a token must carry one of these as well.'),
  resource: id()
    .optional()
    .describe('Id of the protected resource that this is: `aud` must hold its URL, or one of `audiences`.'),
  credentials: credentialsSchema.optional().describe('In place of the `credentials` of the file.'),
  passAuthorization: flag()
    .default(false)
    .describe('`true` passes `Authorization` of a public route on, as it came. Default `false`.'),
  upstream: id().optional().describe('Id of the upstream. May be left out when there is one.'),
  timeout: duration()
    .optional()
    .describe('How long the upstream may take to start its answer, in place of its `timeouts.headers`.'),
  mode: z
    .enum(['enforce', 'report'])
    .default('enforce')
    .describe('`report`: decide and count, but let the request pass. Default `enforce`.'),
  streams: z
    .strictObject({
      onExpiry: streamsShape.onExpiry.optional().describe('In place of `streams.onExpiry`.'),
      grace: streamsShape.grace.optional().describe('In place of `streams.grace`.'),
      idleTimeout: streamsShape.idleTimeout.optional().describe('In place of `streams.idleTimeout`.'),
    })
    .optional()
    .describe('When a stream of this route is ended before its time.'),
  rateLimits: list(limitId())
    .refine(ids => new Set(ids).size === ids.length, {
      error: 'names a limit twice; keep one of them',
      when: ({ issues }) => issues.length === 0,
    })
    .optional()
    .describe('Ids of the limits that count the requests which may pass. All of them have to have room.'),
  revocation: revocationOfRoute,
  cors: corsOfRoute,
  mcp: mcpSchema,
  pathAllow: z
    .array(z.enum(['encodedSlash', 'semicolon', 'emptySegment', 'encodedUnreserved']))
    .default([])
    .describe('What is let through although servers read it in different ways.'),
})

/** Reads the id of a limit, which others write where it is used. */
function limitId() {
  const error = ({ input }: { readonly input?: unknown }): string | undefined =>
    typeof input === 'object' && input !== null
      ? 'must be the id of a limit; what it says stands in the section `rateLimits`'
      : undefined
  return z.string({ error }).pipe(id())
}

function pathProblem(path: string): string | undefined {
  try {
    parsePattern(path)
    return undefined
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}

const OTHERS = FORWARDED.filter(method => !(METHODS as readonly string[]).includes(method))

function methodProblem(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  if (/^(CONNECT|TRACE)$/i.test(input))
    return `must not be \`${input.toUpperCase()}\`: it is never forwarded; leave it out`
  if (/^UPGRADE$/i.test(input)) return 'is no method; an upgrade is a `GET`'
  if (/^(?:\*|any|all)$/i.test(input)) return 'is no method; leave `methods` out for all of them'
  const hint = didYouMean(input, FORWARDED)
  if (hint !== '' || !/^[!#$%&'*+.^_`|~\w-]+$/.test(input))
    return `must be one of ${METHODS.join(', ')}, in capitals.${hint}`
  return `is a method that no request can have; besides ${METHODS.join(', ')} there are ${OTHERS.join(', ')}`
}
