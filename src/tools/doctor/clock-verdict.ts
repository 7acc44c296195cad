/**
 * Compares the clock of a provider's server with ours, by the head of any answer of it.
 *
 * RFC 9110 §6.6.1 (Date), RFC 9111 §5.1 (Age: what a cache answers is as much older).
 */
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { hardenedRequest } from '../../keys/fetch/hardened-request.ts'
import { amount } from '../text/moments.ts'
import type { Examined } from './examined.ts'
import { fail, ok, skipped, type Verdict, warn } from './finding.ts'
import { namedText } from './named-text.ts'
import { StepTooLong, step } from './steps.ts'

interface AskedServer {
  readonly url: string
  readonly caFile: string | undefined
}

const TOLERANCE = 'config/README.md#providersjwt'
const NO_BODY: ReadonlySet<number> = new Set()
/** `Date` has whole seconds. */
const RESOLUTION_MS = 1000
const DOUBTFUL_SKEW_MS = 30_000

/** @param toleranceMs by how much clocks may differ when tokens are judged */
export async function clockVerdict(
  { url, caFile }: AskedServer,
  toleranceMs: number,
  { config, stepMs, clock }: Examined,
): Promise<Verdict> {
  const before = clock.nowMs()
  let headers: Awaited<ReturnType<typeof hardenedRequest>>['headers']
  try {
    const answer = await step(stepMs, signal =>
      hardenedRequest({
        method: 'GET',
        url,
        headers: { 'user-agent': 'sallyport', 'cache-control': 'no-cache' },
        tls: { ca: namedText(caFile) },
        maxBytes: 0,
        readBodyOf: NO_BODY,
        egress: config.egress,
        signal,
      }),
    )
    headers = answer.headers
  } catch (error) {
    if (error instanceof FetchFailure || error instanceof StepTooLong) return skipped(`no answer: ${error.message}`)
    throw error
  }
  const after = clock.nowMs()
  const date = Date.parse(headers.date ?? '')
  if (Number.isNaN(date)) return skipped('the answer has no `Date`')
  const serverMs = date + (/^\d{1,9}$/.test(headers.age ?? '') ? Number(headers.age) * 1000 : 0)
  return skewVerdict(serverMs, before, after, toleranceMs)
}

/** Writes `7200 s (2 hours)`: nobody reads so many seconds. */
function secondsText(ms: number): string {
  const seconds = `${Math.round(ms / 1000)} s`
  return ms < 120_000 ? seconds : `${seconds} (${amount(ms)})`
}

/** What is ahead of us makes new tokens look as if they were not valid yet. What is behind may come from a cache. */
function skewVerdict(serverMs: number, beforeMs: number, afterMs: number, toleranceMs: number): Verdict {
  const aheadMs = serverMs - afterMs
  const behindMs = beforeMs - serverMs - RESOLUTION_MS
  const offMs = Math.max(aheadMs, behindMs)
  if (offMs <= Math.min(DOUBTFUL_SKEW_MS, toleranceMs) || (aheadMs < 0 && offMs <= DOUBTFUL_SKEW_MS))
    return ok('its clock and ours agree')
  const where = aheadMs > 0 ? 'ahead of' : 'behind'
  const seen = `its clock is ${secondsText(offMs)} ${where} ours; \`clockTolerance\` bears ${toleranceMs / 1000} s`
  const remedy = 'set both clocks by NTP; the clock of a container is that of its node'
  return aheadMs > toleranceMs ? fail(seen, remedy, TOLERANCE) : warn(seen, remedy, TOLERANCE)
}
