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
import { isToken } from '../../lib/field-name.ts'
import { readRegularFile, unreadableText } from '../../lib/trusted-file.ts'
import type { Check, Examined } from './examined.ts'
import { fail, finding, ok, skipped, type Verdict, warn } from './finding.ts'
import { StepTooLong, step } from './steps.ts'

const TRACES = 'config/README.md#traces'

export const tracesCheck: Check = async examined => {
  const { traces } = examined.config
  const verdict =
    traces === undefined ? skipped('the configuration makes no traces') : await verdictOn(traces, examined)
  return [finding('traces', undefined, verdict)]
}

async function verdictOn(traces: TracesConfig, { env, stepMs }: Examined): Promise<Verdict> {
  const url = endpointOf(traces, env)
  if (url === null) return fail('the endpoint of the environment is no URL', 'set `traces.endpoint`', TRACES)
  const where = place(url.href)
  try {
    const headers = headersIn(traces.headersFile)
    const { status } = await step(stepMs, signal =>
      hardenedRequest({
        method: 'POST',
        url: url.href,
        headers: { ...headers, 'content-type': 'application/json', 'user-agent': 'sallyport' },
        body: '{"resourceSpans":[]}',
        tls: {},
        maxBytes: 0,
        readBodyOf: NO_BODY,
        egress: undefined,
        signal,
      }),
    )
    if (status >= 200 && status < 300) return ok(`${where} takes an empty batch`)
    const seen = `${where} answered ${status} to an empty batch`
    if (status === 401 || status === 403)
      return fail(seen, 'name a file with the right credentials by `headersFile`', TRACES)
    if (status === 404 || status === 405)
      return fail(seen, 'see that the path is that of OTLP over HTTP, /v1/traces', TRACES)
    if (status === 429 || status >= 500) return warn(seen, 'see what keeps the collector; spans are sent again', TRACES)
    return fail(seen, 'see that OTLP over HTTP is spoken there', TRACES)
  } catch (error) {
    if (!(error instanceof FetchFailure || error instanceof StepTooLong)) throw error
    return fail(`${where}: ${error.message}`, 'see that the collector runs; requests are served all the same', TRACES)
  }
}

const NO_BODY: ReadonlySet<number> = new Set()

function endpointOf({ endpoint }: TracesConfig, env: Environment): URL | null {
  if (endpoint !== undefined) return URL.parse(endpoint)
  if (env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return URL.parse(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT || 'http://localhost:4318'
  return URL.parse(`${base.replace(/\/$/, '')}/v1/traces`)
}

/** @throws {FetchFailure} `local_file` */
function headersIn(file: string | undefined): Readonly<Record<string, string>> {
  if (file === undefined) return {}
  const lines = textOf(file)
    .split('\n')
    .filter(line => line.trim() !== '')
  return Object.fromEntries(
    lines.map(line => {
      const [, name = '', value = ''] = /^([^:]*):(.*)$/.exec(line) ?? []
      // The line may be a secret, so nothing of it is repeated.
      if (!isToken(name) || /[^\t\x20-\x7e]/.test(value.trim()))
        throw new FetchFailure('local_file', '`traces.headersFile` has a line that is no `Name: value`')
      return [name.toLowerCase(), value.trim()] as const
    }),
  )
}

function textOf(file: string): string {
  try {
    return readRegularFile(file).toString('utf8')
  } catch (error) {
    throw new FetchFailure('local_file', `\`traces.headersFile\` ${unreadableText(error)}`)
  }
}
