/**
 * Posts an empty batch of spans to the collector, as an exporter would.
 *
 * OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp): an empty batch is a good request, and is answered
 * with 200. The environment names the endpoint where the configuration does not.
 */
import type { Environment } from '../../config/read/environment.ts'
import type { TracesConfig } from '../../config/schema/schema.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { hardenedRequest, place } from '../../keys/fetch/hardened-request.ts'
import { codeOf } from '../../lib/failure-text.ts'
import { headerLines } from '../../lib/header-lines.ts'
import { readRegularFile, unreadableText } from '../../lib/trusted-file.ts'
import { type ExportSettings, exportSettings } from '../../telemetry/traces/export-settings.ts'
import type { Check, Examined } from './examined.ts'
import { fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { namedText } from './named-text.ts'
import { StepTooLong, step } from './steps.ts'

const TRACES = 'config/README.md#traces'

export const tracesCheck: Check = async examined => {
  const { traces } = examined.config
  const verdicts =
    traces === undefined ? [skipped('the configuration makes no traces')] : await verdictsOn(traces, examined)
  return verdicts.map(verdict => finding('traces', undefined, verdict))
}

async function verdictsOn(traces: TracesConfig, { env, stepMs }: Examined): Promise<readonly Verdict[]> {
  const unusable: string[] = []
  const settings = settingsOf(traces, env, variable => unusable.push(variable))
  const ignored = unusable.map(variable =>
    warn(`${variable} cannot be used, and is ignored`, 'correct the variable, or take it away', TRACES),
  )
  return [...ignored, await postedVerdict(settings, stepMs)]
}

function settingsOf(
  { endpoint, headersFile }: TracesConfig,
  env: Environment,
  onUnusable: (variable: string) => void,
): ExportSettings {
  const headers = headersFile === undefined ? {} : headerLines(readRegularFile(headersFile).toString('latin1'))
  return exportSettings({ endpoint, headers }, env, onUnusable)
}

async function postedVerdict(settings: ExportSettings, stepMs: number): Promise<Verdict> {
  const where = place(settings.url)
  try {
    const { status } = await step(stepMs, signal =>
      hardenedRequest({
        method: 'POST',
        url: settings.url,
        headers: { ...settings.headers, 'content-type': 'application/json', 'user-agent': 'sallyport' },
        body: '{"resourceSpans":[]}',
        tls: { ca: namedText(settings.caFile), cert: namedText(settings.certFile), key: namedText(settings.keyFile) },
        maxBytes: 0,
        readBodyOf: NO_BODY,
        egress: undefined,
        signal,
      }),
    )
    return statusVerdict(where, status)
  } catch (error) {
    const isOurs = error instanceof FetchFailure || error instanceof StepTooLong
    const why = isOurs ? error.message : unreadableText(error)
    if (!isOurs && codeOf(error) === undefined) throw error
    return fail(`${where}: ${why}`, 'see that the collector runs; requests are served all the same', TRACES)
  }
}

function statusVerdict(where: string, status: number): Verdict {
  if (status >= 200 && status < 300) return ok(`${where} takes an empty batch`)
  const seen = `${where} answered ${status} to an empty batch`
  if (status === 401 || status === 403)
    return fail(seen, 'name a file with the right credentials by `headersFile`', TRACES)
  if (status === 404 || status === 405)
    return fail(seen, 'see that the path is that of OTLP over HTTP, /v1/traces', TRACES)
  if (status === 429 || status >= 500) return warn(seen, 'see what keeps the collector; spans are sent again', TRACES)
  return fail(seen, 'see that OTLP over HTTP is spoken there', TRACES)
}

const NO_BODY: ReadonlySet<number> = new Set()
