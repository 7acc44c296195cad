/**
 * Holds the schema of `traces`: where spans are sent, which requests are recorded, and whose word on that counts.
 *
 * OpenTelemetry's OTLP/HTTP; W3C Trace Context §3.2 (traceparent).
 */
import * as z from 'zod'
import { isLoopback } from '../../lib/loopback.ts'
import { filePath, judgedText, readText } from './fields.ts'

const SHARE_PATTERN = /^(\d{1,3}(?:\.\d{1,4})?)%$/

/** Reads a share of requests, which becomes a number from 0 to 1. */
function share() {
  return readText(text => {
    const percent = Number(SHARE_PATTERN.exec(text)?.[1] ?? Number.NaN)
    if (!(percent <= 100)) throw new SyntaxError('must be a share like `10%`, `0.5%` or `100%`')
    return percent / 100
  })
}

export const tracesSchema = z
  .strictObject({
    endpoint: judgedText(endpointProblem)
      .optional()
      .describe(
        'URL that takes OTLP over HTTP, like `http://127.0.0.1:4318/v1/traces`. Default: what `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` says, else `http://localhost:4318/v1/traces`.',
      ),
    sample: share().prefault('10%').describe('Share of the traces that begin here and are recorded. Default `10%`.'),
    trustParent: z
      .enum(['always', 'proxies', 'never'])
      .default('proxies')
      .describe(
        'Whose `traceparent` is continued: everybody’s (`always`), that of `trustedProxies`, or nobody’s (`never`). Default `proxies`.',
      ),
    headersFile: filePath()
      .optional()
      .describe('File with headers for the endpoint, `Name: value` a line, such as an API key.'),
  })
  .describe('Spans of requests, over OTLP. Left out: none are made, and `traceparent` passes as it comes.')

function endpointProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return 'must be a URL that begins with `http://` or `https://`'
  if (url.username !== '' || url.password !== '') return 'must not hold a password; write it into `headersFile`'
  if (url.search !== '' || url.hash !== '') return 'must not have a query or a fragment'
  return undefined
}

/** Is true when what is sent there can be read on the way. */
export function crossesNetworkOpenly(endpoint: string): boolean {
  const url = new URL(endpoint)
  return url.protocol === 'http:' && !isLoopback(url)
}
