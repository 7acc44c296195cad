/** Sends odd paths through a proxy that asks us: whatever reaches the service has to be what was sent, and let in. */
import type { Policy } from '../../policy.ts'
import { trial, trialRequest } from '../engine/trial.ts'
import { type Finding, fail, finding, ok, warn } from './finding.ts'
import type { Send } from './test-service.ts'

const TO_DO = 'config/decide.md#what-the-proxy-has-to-do'
const REMEDY =
  'have the proxy forward the target that it has asked about, byte for byte; if it asks about this one, all is well'

interface Walking {
  /** A path that lets strangers in. */
  readonly open: string
  /** One that does not. */
  readonly closed: string | undefined
  readonly send: Send
  readonly policy: Policy
  readonly host: string
}

/** A proxy may refuse what it likes. @returns at least one finding */
export async function pathFindings({ open, closed, send, policy, host }: Walking): Promise<readonly Finding[]> {
  const passes = async (path: string): Promise<boolean> =>
    (await trial(policy, trialRequest('GET', path, ['Host', host]))).denial === undefined
  const found: Finding[] = []
  const targets = oddTargets(open, closed)
  let arrivals = 0
  for (const target of targets) {
    const { arrival } = await send(target)
    if (arrival === undefined) continue
    arrivals += 1
    const arrived = arrival.target
    if (arrived === target) {
      if (await passes(arrived)) continue
      const seen = 'it reached the service, and this configuration would refuse it'
      found.push(finding('path', target, fail(seen, 'have the proxy ask about the target that it forwards', TO_DO)))
      continue
    }
    // A proxy that resolves a path before it asks is right, and cannot be told from one that does so afterwards.
    const isResolvedFirst = !(await passes(target)) && (await passes(arrived))
    const seen = `the service got ${arrived}`
    found.push(finding('path', target, isResolvedFirst ? warn(seen, REMEDY, TO_DO) : fail(seen, REMEDY, TO_DO)))
  }
  const seen = `of ${targets.length} odd paths, ${arrivals} reached the service, each as it was judged`
  return found.length > 0 ? found : [finding('path', open, ok(seen))]
}

function oddTargets(open: string, closed: string | undefined): readonly string[] {
  const bare = open.replace(/\/$/, '')
  const up = '/..'.repeat(bare.split('/').length - 1)
  const inside = [
    ...[`${open}?a=/../b`, `${open}?%7e=%2F..%2f`, `${bare}/%7e`, `${bare}%7e`, `${bare}/%c3%a4`, `${bare}%20b`],
    ...[`${bare}/a%2Fb`, `${bare}/./`, `${bare}//a`, `/${bare}`, `${bare}/..`, `${bare};a=b`, `${bare}%2f..`],
    ...[`${bare}%5ca`, `${bare}%23a`, `${bare}%3fa`, `${bare.slice(0, -1)}%${hexOf(bare.at(-1) ?? '/')}`],
  ]
  if (closed === undefined) return inside
  return [
    ...inside,
    ...[`${bare}${up}${closed}`, `${bare}${up.replaceAll('..', '%2e%2e')}${closed}`, `${bare}/..;${closed}`],
    ...[`${bare}/..%2f${closed.slice(1)}`, `/${closed}`, `/.${closed}`],
  ]
}

function hexOf(character: string): string {
  return Buffer.from(character).toString('hex')
}
