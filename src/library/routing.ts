/**
 * Refuses an application whose router would read another path than the guard judges, or that would answer requests
 * which no hook of the guard ever sees.
 *
 * Fastify 5.12: `routerOptions`, and the same names beside it; `rewriteUrl`; `onBadUrl`, `onMaxParamLength` and
 * `defaultRoute`, which answer before any hook; `insecureHTTPParser` of the server. Looked at and found harmless:
 * `constraints` (they choose among handlers of one path), `maxParamLength` and `allowUnsafeRegex` (they only let fewer
 * or more patterns match), `querystringParser` and `exposeHeadRoutes`. `frameworkErrors` is called after the guard:
 * see {@link guardFrameworkErrors}. A `serverFactory` is the application's own; what its server answers by itself is
 * not guarded.
 */
import { parse } from 'node:querystring'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

type FrameworkErrors = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void

/** What Fastify keeps of the options that it was made with. */
interface Options {
  readonly rewriteUrl?: unknown
  readonly http?: { readonly insecureHTTPParser?: boolean } | null
  readonly https?: { readonly insecureHTTPParser?: boolean } | null
  readonly routerOptions?: Readonly<Record<string, unknown>>
  frameworkErrors?: FrameworkErrors
  readonly [name: string]: unknown
}

/** Each option, and what Fastify makes of a path with it. */
const READS_OTHERWISE: ReadonlyArray<readonly [name: string, isHarmless: (value: unknown) => boolean, why: string]> = [
  ['caseSensitive', value => value !== false, 'it would route `/ADMIN` as `/admin`'],
  ['ignoreTrailingSlash', isOff, 'it would route `/admin/` as `/admin`'],
  ['ignoreDuplicateSlashes', isOff, 'it would route `//admin` as `/admin`'],
  ['useSemicolonDelimiter', isOff, 'it would route `/admin;x` as `/admin`'],
]

/** They are called by the router, before any hook. */
const ANSWERS_UNSEEN = ['defaultRoute', 'onBadUrl', 'onMaxParamLength'] as const

/** @throws {Error} naming the option, or what else has to change */
export function refuseUnsuitable(app: FastifyInstance): void {
  if (app.hasDecorator('sallyport')) throw misuse('it is registered already; one guard judges every route')
  if (Object.getPrototypeOf(app) !== Object.prototype)
    throw misuse(
      `it is registered inside another plugin${app.prefix === '' ? '' : ` (prefix ${app.prefix})`}, and would leave every other route open; register it on the application itself`,
    )
  if (app.printRoutes().trim() !== '(empty tree)')
    throw misuse(
      'there are routes already, and what they were registered with would come before the guard; register it before the first route: `await app.register(sallyport, …)`',
    )
  const options = optionsOf(app)
  if (options.rewriteUrl !== undefined && options.rewriteUrl !== null)
    throw misuse('leave out the option `rewriteUrl`: Fastify would route another path than the one that was asked for')
  for (const [name, isHarmless, why] of READS_OTHERWISE)
    if (!isHarmless(options.routerOptions?.[name] ?? options[name]))
      throw misuse(`leave out the option \`${name}\`: ${why}`)
  const given = app.initialConfig.routerOptions as Readonly<Record<string, unknown>> | undefined
  for (const name of ANSWERS_UNSEEN)
    if (typeof options[name] === 'function' || typeof given?.[name] === 'function')
      throw misuse(`leave out the option \`${name}\`: it would answer requests that nobody has judged`)
  if (options.http?.insecureHTTPParser === true || options.https?.insecureHTTPParser === true)
    throw misuse('leave out `insecureHTTPParser`: it takes heads that two parsers read differently')
}

/** Has requests judged that Fastify's router answers by itself, such as one whose path is no text. */
export function guardFrameworkErrors(
  app: FastifyInstance,
  judge: (request: FastifyRequest, reply: FastifyReply, onPassed: () => void) => void,
): void {
  const options = optionsOf(app)
  const answer: FrameworkErrors =
    options.frameworkErrors ?? ((error, _request, reply) => void reply.code(error.statusCode ?? 400).send(error))
  options.frameworkErrors = (error, request, reply) => judge(request, reply, () => answer(error, request, reply))
}

/** Reads a query as the application's router does. */
export function queryParser(app: FastifyInstance): (query: string) => unknown {
  const { querystringParser } = optionsOf(app).routerOptions ?? {}
  return typeof querystringParser === 'function' ? query => querystringParser(query) : query => parse(query)
}

/** @throws {Error} Fastify keeps its options in another place than in the versions that are known */
function optionsOf(app: FastifyInstance): Options {
  const place = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.options')
  const options = place && (app as unknown as Readonly<Record<symbol, Options | undefined>>)[place]
  if (options === undefined)
    throw misuse(`Fastify ${app.version} is not known: how it routes cannot be told; use a 5.x that this version lists`)
  return options
}

function isOff(value: unknown): boolean {
  return value === undefined || value === null || value === false
}

function misuse(text: string): Error {
  return new Error(`sallyport: ${text}`)
}
