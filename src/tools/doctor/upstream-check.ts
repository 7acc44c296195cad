/**
 * Finds out of each service whether it takes connections, at addresses where others reach it, too, and whether tokens
 * are exchanged for it where they are to be.
 *
 * Who reaches the service itself needs no token, and can write the identity headers. So a service beside the gateway
 * should listen on loopback alone.
 */
import type { Config } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { hostOf } from '../../upstream/connector.ts'
import { exchangeResult } from '../check/exchange-result.ts'
import type { HealthResult } from '../check/health-result.ts'
import { upstreamResult } from '../check/online.ts'
import type { Check, Examined } from './examined.ts'
import { type Finding, fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { place, refusal } from './reach.ts'
import { StepTooLong, step } from './steps.ts'

const UPSTREAMS = 'config/README.md#upstreamsid'
const IN_FRONT = 'k8s/README.md#in-front-of-your-service'

export const upstreamCheck: Check = async examined => {
  const all = Object.entries(examined.config.upstreams)
  const found = await Promise.all(
    all.map(async ([id, upstream]): Promise<readonly Finding[]> => {
      const { config, stepMs } = examined
      const subject = `upstream ${id}`
      const [connected, exchanged, bypass] = await Promise.all([
        verdictOf(stepMs, TO_CONNECT, () => upstreamResult(upstream)),
        verdictOf(stepMs, TO_EXCHANGE, signal => exchangeResult(id, config, signal)),
        bypassVerdict(upstream, examined),
      ])
      return [
        ...[connected, exchanged].flatMap(each => (each === undefined ? [] : [finding('upstream', subject, each)])),
        finding('bypass', subject, bypass),
      ]
    }),
  )
  return found.flat()
}

type UpstreamConfig = Config['upstreams'][string]

interface Asking {
  /** Begins what is said where nothing answers in time. */
  readonly what: string
  readonly remedy: string
}

const TO_CONNECT: Asking = {
  what: 'taking connections',
  remedy: 'start the service, or correct `url`; requests are answered with 502 until then',
}
const TO_EXCHANGE: Asking = {
  what: 'exchanging tokens',
  remedy: 'correct `exchange`, or the server that it names; callers are answered with 503 until then',
}

/** @returns undefined where there is nothing to ask */
async function verdictOf(
  stepMs: number,
  { what, remedy }: Asking,
  ask: (signal: AbortSignal) => Promise<HealthResult | undefined>,
): Promise<Verdict | undefined> {
  try {
    const result = await step(stepMs, ask)
    return result && (result.outcome === 'ok' ? ok(result.detail) : fail(result.detail, remedy, UPSTREAMS))
  } catch (error) {
    if (!(error instanceof StepTooLong)) throw error
    return fail(`${what}: ${error.message}`, remedy, UPSTREAMS)
  }
}

async function bypassVerdict({ url }: UpstreamConfig, { config, machine, stepMs }: Examined): Promise<Verdict> {
  if (url.socketPath !== undefined) return ok('a Unix socket is reached from this machine alone')
  const target = new URL(url.origin)
  const { host, port } = hostOf(url.origin)
  const isHere = isLoopback(target) || machine.addresses.includes(host)
  if (!isHere) return skipped(`${target.host} is on another machine; see that nobody but the gateway reaches it`)
  const address = config.listen?.address
  if (address !== undefined && 'port' in address && address.port === port)
    return skipped('the gateway listens on the same port of other addresses')
  const tried = await Promise.all(
    machine.addresses.map(async each => ({ each, failure: await refusal(each, port, stepMs) })),
  )
  const reached = tried.filter(({ failure }) => failure === undefined).map(({ each }) => place(each, port))
  if (reached.length === 0)
    return ok(machine.addresses.length === 0 ? 'this machine has no other address' : 'it is reached by loopback alone')
  return warn(
    `the service also takes connections at ${reached.join(', ')}, past the gateway`,
    'have it listen on 127.0.0.1, or keep others away by a network policy',
    IN_FRONT,
  )
}
