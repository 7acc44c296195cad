/**
 * Looks at a proxy that asks us, from both sides: as its client, who forges what it can, and as the service behind it,
 * which says what arrived.
 *
 * It has no token, so it sees what becomes of strangers: on a path that lets them in, and on one that does not. Whether
 * the proxy tells the gateway the address of its client, and what it does while the gateway is away, cannot be seen so.
 */
import { randomBytes } from 'node:crypto'
import { decidedPolicy } from '../../decision/decided-policy.ts'
import { codeOf } from '../../lib/failure-text.ts'
import type { Policy } from '../../policy.ts'
import { reachedBy, witnessPaths } from '../engine/reach.ts'
import { standIn } from '../engine/stand-in.ts'
import { trial, trialRequest } from '../engine/trial.ts'
import { type HostPort, type Site, siteOf } from '../snippet/site.ts'
import { hostPort } from '../snippet/written.ts'
import type { Examined } from './examined.ts'
import { type Finding, fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { forgedFindings } from './forged-probes.ts'
import { pathFindings } from './path-probes.ts'
import { type RawAnswer, rawRequest } from './raw-request.ts'
import { StepTooLong, step } from './steps.ts'
import { PROBE_HEADER, type Send, testService } from './test-service.ts'

const TO_DO = 'config/decide.md#what-the-proxy-has-to-do'
const DOCTOR = 'config/decide.md#looking-at-it-from-both-sides'

/** @param through the proxy @param listen where it forwards to */
export async function askingFindings(through: URL, listen: HostPort, examined: Examined): Promise<readonly Finding[]> {
  const { config, file, services } = examined
  if (config.decide === undefined)
    return [
      finding(
        'through',
        through.origin,
        fail('the file has no `decide`, so no proxy asks', 'leave --service-listen out', DOCTOR),
      ),
    ]
  const policy = decidedPolicy(standIn(config, services).policy)
  const site = siteOf(config, config.decide, policy, { file, listen, service: listen })
  let service: Awaited<ReturnType<typeof testService>>
  try {
    service = await testService(listen)
  } catch (error) {
    const seen = `the test service cannot listen on ${hostPort(listen)}: ${why(error)}`
    return [
      finding(
        'through',
        through.origin,
        fail(seen, 'stop the service there, or name a free port and have the proxy forward to it', DOCTOR),
      ),
    ]
  }
  try {
    return await examination(through, { site, policy, service, examined })
  } finally {
    await service.close()
  }
}

interface Parts {
  readonly site: Site
  readonly policy: Policy
  readonly service: Awaited<ReturnType<typeof testService>>
  readonly examined: Examined
}

async function examination(through: URL, parts: Parts): Promise<readonly Finding[]> {
  const { site, policy, service, examined } = parts
  const run = randomBytes(6).toString('hex')
  let count = 0
  const send: Send = async (target, lines = []) => {
    count += 1
    const probe = `${run}-${count}`
    const own = lines.some(line => /^connection:/i.test(line)) ? [] : ['Connection: close']
    const request = {
      method: 'GET',
      target,
      lines: [`${PROBE_HEADER}: ${probe}`, 'User-Agent: sallyport', ...own, ...lines],
    }
    const answer = await step(examined.stepMs, signal => rawRequest(through, request, signal))
    return { answer, arrival: service.arrival(probe) }
  }
  const { open, closed } = await ways(policy, examined, through)
  const found: Finding[] = []
  try {
    if (closed !== undefined) found.push(...(await closedFindings(closed, open, send)))
    if (open === undefined) {
      const seen = 'no route lets anybody in without a token, so nothing can be seen at the service'
      return [...found, finding('forged', undefined, skipped(seen))]
    }
    const plain = await send(open)
    if (plain.arrival === undefined) {
      const answered = plain.answer === undefined ? '' : `, and the answer is ${plain.answer.status}`
      const seen = `nothing of it reached the test service${answered}`
      const remedy = [
        `have the proxy forward to ${hostPort(site.service)}, ask at \`decide.listen\`, say target, method and host`,
        'the log of the gateway has what it was asked',
      ].join('; ')
      return [...found, finding('through', open, fail(seen, remedy, TO_DO))]
    }
    found.push(finding('through', open, ok('it reaches the service, as this configuration says')))
    const forged = await forgedFindings({ open, plain: plain.arrival, mark: run, send, site, policy })
    const paths = await pathFindings({ open, closed, send, policy, host: through.host })
    return [
      ...found,
      ...(forged.length > 0
        ? forged
        : [finding('forged', open, ok('nothing that a client forges reaches the service'))]),
      ...paths,
    ]
  } catch (error) {
    const seen = `the proxy could not be asked: ${why(error)}`
    return [...found, finding('through', through.origin, fail(seen, 'see that the proxy runs there', DOCTOR))]
  }
}

/** A path that a stranger may have, and one that wants a token. */
async function ways(policy: Policy, { config }: Examined, { host }: URL) {
  const paths = witnessPaths(config.routes.map(({ path }) => path))
  const ways: { below?: string; open?: string; limited?: string; closed?: string } = {}
  for (const route of config.routes) {
    const path = reachedBy(policy.matcher, route, paths).find(({ method }) => method === 'GET')?.path
    if (path === undefined) continue
    const { denial, findings } = await trial(policy, trialRequest('GET', path, ['Host', host]))
    if (denial?.code === 'token_missing') ways.closed ??= path
    else if (denial === undefined && findings.route?.limits === undefined) {
      ways.open ??= path
      // Odd paths lead to the service only where others do, too.
      if (route.path.endsWith('/**')) ways.below ??= path
    } else if (denial === undefined) ways.limited ??= path
  }
  return { open: ways.below ?? ways.open ?? ways.limited, closed: ways.closed }
}

/** Some proxies decide by these what is asked for. */
const TARGET_NAMES = ['X-Original-URI', 'X-Original-URL', 'X-Forwarded-Uri', 'X-Rewrite-URL']

async function closedFindings(closed: string, open: string | undefined, send: Send): Promise<readonly Finding[]> {
  const { answer, arrival } = await send(closed)
  if (arrival !== undefined) {
    const seen = 'it reached the service without a token'
    return [
      finding('through', closed, fail(seen, 'have the proxy ask about every request, and forward only on 200', TO_DO)),
    ]
  }
  const found: Finding[] = [finding('through', closed, refusedVerdict(answer))]
  for (const name of open === undefined ? [] : TARGET_NAMES) {
    const forged = await send(closed, [`${name}: ${open}`])
    if (forged.arrival === undefined) continue
    const hole = 'a client that sends it has another path judged than the one that is forwarded'
    found.push(
      finding('forged', name, fail(hole, `have the proxy set it to the target of the request when it asks`, TO_DO)),
    )
  }
  return found
}

/** Says whether a stranger was told how to become none. nginx passes on what the gateway calls the refusal. */
function refusedVerdict(answer: RawAnswer | undefined): Verdict {
  if (answer === undefined) return warn('the proxy closes the connection', REMEDY_ASKED, TO_DO)
  const { status, head } = answer
  const code = /\r\nx-sallyport-code: *([a-z_]+)/.exec(head)?.[1]
  const seen = `it is refused with ${status}${code === undefined ? '' : ` (${code})`}`
  if (status === 401 && head.includes('\r\nwww-authenticate:')) return ok(`${seen}, with a challenge`)
  const wrong = `${seen}, and not with 401 and a challenge`
  if (status === 401) return warn(wrong, 'have the proxy pass `WWW-Authenticate` on', TO_DO)
  return warn(wrong, code === 'caller_untrusted' ? REMEDY_TRUSTED : REMEDY_ASKED, TO_DO)
}

const REMEDY_TRUSTED = 'list the address of the proxy in `decide.trustedProxies`'
const REMEDY_ASKED =
  'see that the gateway runs, and have the proxy ask at `decide.listen` and say target, method and host; the log of the gateway has what it was asked'

/** @throws the error, where it is a mistake of ours: what the system and TLS say has a code, and is a plain Error */
function why(error: unknown): string {
  if (error instanceof StepTooLong) return error.message
  const code = codeOf(error)
  if (code === undefined || error instanceof TypeError || error instanceof RangeError) throw error
  return code
}
