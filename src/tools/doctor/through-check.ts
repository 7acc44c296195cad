/**
 * Sends two requests through a gateway that runs, as a stranger would, to see whether it is ours and refuses them.
 *
 * The first has no token and asks for a path that wants one: it has to be refused as the configuration says, with a
 * challenge (RFC 9110 §11.6.1, RFC 6750 §3). Both forge the headers by which services are told who is calling: what was
 * forged must not come back.
 */
import { randomBytes } from 'node:crypto'
import { DENIALS } from '../../errors.ts'
import { DEFAULT_IDENTITY_HEADERS } from '../../identity/header-lines.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { hardenedRequest, place } from '../../keys/fetch/hardened-request.ts'
import type { Policy } from '../../policy.ts'
import { reachedBy, witnessPaths } from '../engine/reach.ts'
import { standIn } from '../engine/stand-in.ts'
import { trial, trialRequest } from '../engine/trial.ts'
import { askingFindings } from './asking-check.ts'
import type { Check, Examined } from './examined.ts'
import { type Finding, fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { StepTooLong, step } from './steps.ts'

const REFUSALS = 'config/README.md#what-the-client-gets'
const FORGED = 'config/README.md#why-they-cannot-be-forged'
const ASKED = 'config/decide.md#looking-at-it-from-both-sides'
const NOT_SEEN = 'a proxy that asks is looked at from both sides, and the test service behind it has no address'
const MOST_BYTES = 64 * 1024
const ALL_READ: ReadonlySet<number> = new Set([200, 400, 401, 403, 404, 405, 429, 500, 502, 503])

export const throughCheck: Check = async examined => {
  const { through, serviceListen, config } = examined
  if (through === undefined) return [finding('through', undefined, skipped('no gateway is named by --through'))]
  if (serviceListen !== undefined) return askingFindings(through, serviceListen, examined)
  if (config.decide !== undefined && config.listen === undefined)
    return [
      finding(
        'through',
        through.origin,
        fail(NOT_SEEN, 'give --service-listen HOST:PORT, where the proxy forwards to', ASKED),
      ),
    ]
  const { policy } = standIn(examined.config, examined.services)
  const [refused, open] = await Promise.all([
    refusedFindings(through, policy, examined),
    publicFindings(through, policy, examined),
  ])
  return [...refused, ...open]
}

async function refusedFindings(through: URL, policy: Policy, examined: Examined): Promise<readonly Finding[]> {
  const url = targetFor(through, policy, examined, 'required')
  if (url === undefined) return [finding('through', through.origin, skipped('no route asks for a token'))]
  const subject = place(url.href)
  const answer = await answered(url, forgedHeaders(examined), examined)
  if (typeof answer === 'string')
    return [finding('through', subject, fail(answer, 'see that the gateway runs there', REFUSALS))]
  const { denial } = await trial(policy, trialRequest('GET', url.pathname, ['Host', url.host]))
  return [
    finding('through', subject, refusalVerdict(answer, denial?.code)),
    finding('forged', subject, forgedVerdict(answer)),
  ]
}

/** A public route leads to the service, which may say what it was told. */
async function publicFindings(through: URL, policy: Policy, examined: Examined): Promise<readonly Finding[]> {
  const url = through.pathname === '/' ? targetFor(through, policy, examined, 'public') : undefined
  if (url === undefined) return []
  const answer = await answered(url, forgedHeaders(examined), examined)
  return typeof answer === 'string' ? [] : [finding('forged', place(url.href), forgedVerdict(answer))]
}

/** The path of the URL itself where it has one; else a path of the first route of this kind. */
function targetFor(through: URL, policy: Policy, { config }: Examined, access: 'required' | 'public'): URL | undefined {
  if (through.pathname !== '/') return through
  const paths = witnessPaths(config.routes.map(({ path }) => path))
  for (const route of config.routes) {
    if (route.access !== access || route.mode === 'report') continue
    const witness = reachedBy(policy.matcher, route, paths).find(({ method }) => method === 'GET')
    if (witness !== undefined) return new URL(witness.path, through)
  }
  return undefined
}

/** What is forged looks the same in every header, and like nothing else. */
function forgedHeaders({ config }: Examined): Readonly<Record<string, string>> {
  const forged = `forged-${randomBytes(8).toString('hex')}`
  const told = Object.keys(config.identity.headers ?? {})
  const names = new Set([...told, ...DEFAULT_IDENTITY_HEADERS.map(({ name }) => name)])
  return Object.fromEntries([...names].map(name => [name.toLowerCase(), forged]))
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
  readonly forged: string
}

/** @returns what went wrong, where there is no answer */
async function answered(
  url: URL,
  forged: Readonly<Record<string, string>>,
  { stepMs }: Examined,
): Promise<Answer | string> {
  try {
    const { status, headers, body } = await step(stepMs, signal =>
      hardenedRequest({
        method: 'GET',
        url: url.href,
        headers: { ...forged, accept: 'application/json', 'user-agent': 'sallyport' },
        tls: {},
        maxBytes: MOST_BYTES,
        readBodyOf: ALL_READ,
        egress: undefined,
        signal,
      }),
    )
    return { status, headers, body: body?.toString('utf8') ?? '', forged: Object.values(forged)[0] ?? '' }
  } catch (error) {
    if (error instanceof FetchFailure || error instanceof StepTooLong) return error.message
    throw error
  }
}

/** @param expected the code by which the configuration refuses it */
function refusalVerdict({ status, headers, body }: Answer, expected: string | undefined): Verdict {
  const code = codeIn(body, headers['x-request-id'])
  if (code === undefined)
    return fail(
      `it answered ${status}, and not as Sallyport does`,
      'see that the URL leads to the gateway, and not past it to the service or to something in front',
      REFUSALS,
    )
  const challenge = headers['www-authenticate']
  const seen = `Sallyport answers ${status} ${code}${challenge === undefined ? '' : ', with a challenge'}`
  if (code === expected && (status !== 401 || challenge !== undefined)) return ok(seen)
  if (code === expected)
    return warn(
      `${seen}, but the challenge does not arrive`,
      'have what stands in front pass `WWW-Authenticate` on',
      REFUSALS,
    )
  return fail(
    `${seen}; this configuration would say ${expected ?? 'nothing, and let it pass'}`,
    'see that the gateway runs this configuration, and that the path arrives as it was sent',
    REFUSALS,
  )
}

/** @returns undefined for an answer that is not ours */
function codeIn(body: string, requestId: Answer['headers'][string]): string | undefined {
  try {
    const { code, request_id: told } = JSON.parse(body) as { readonly code?: unknown; readonly request_id?: unknown }
    return typeof code === 'string' && Object.hasOwn(DENIALS, code) && told === requestId ? code : undefined
  } catch {
    return undefined
  }
}

function forgedVerdict({ headers, body, forged }: Answer): Verdict {
  if (!body.includes(forged) && !JSON.stringify(headers).includes(forged))
    return ok('a forged identity header does not come back')
  return fail(
    'a forged identity header came back: the service got it, or something in front answers with it',
    'see that requests pass through the gateway, and add the names that the service reads to `identity.reserved`',
    FORGED,
  )
}
