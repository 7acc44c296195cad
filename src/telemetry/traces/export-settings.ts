/**
 * Reads where spans are sent and as what, from the configuration and the environment, of which the first wins.
 *
 * OpenTelemetry's OTLP exporter configuration (`OTEL_EXPORTER_OTLP_*`, of which those for traces win over those for
 * everything) and SDK configuration (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`). What cannot be used is left out
 * and named, since it may have been set for other programs of the machine. No value is repeated: it may be secret.
 */

export interface ExportSettings {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The longest time of one batch, with all attempts. */
  readonly timeoutMs: number
  readonly compression: 'none' | 'gzip'
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  /** What the spans are of, `service.name` among it. */
  readonly resource: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

interface Written {
  readonly endpoint: string | undefined
  /** The lines of `headersFile`. */
  readonly headers: Readonly<Record<string, string>>
}

const DEFAULT_URL = 'http://localhost:4318/v1/traces'
const DEFAULT_TIMEOUT_MS = 10_000

/** @param onUnusable is told the name of each variable that cannot be used */
export function exportSettings(
  { endpoint, headers }: Written,
  env: Environment,
  onUnusable: (variable: string) => void,
): ExportSettings {
  /** Reads what is set for traces, else for everything; an empty variable counts as not set. */
  const read = <T>(name: string, parse: (text: string) => T | undefined): T | undefined => {
    for (const variable of [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`]) {
      const found = readOne(env, variable, parse, onUnusable)
      if (found !== undefined) return found
    }
    return undefined
  }
  const asText = (text: string): string => text
  const pairs = (variable: string) => readOne(env, variable, pairsIn, onUnusable)
  return {
    url:
      endpoint ??
      readOne(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', httpUrl, onUnusable) ??
      readOne(
        env,
        'OTEL_EXPORTER_OTLP_ENDPOINT',
        text => httpUrl(`${text.replace(/\/$/, '')}/v1/traces`),
        onUnusable,
      ) ??
      DEFAULT_URL,
    headers: {
      ...pairs('OTEL_EXPORTER_OTLP_HEADERS'),
      ...pairs('OTEL_EXPORTER_OTLP_TRACES_HEADERS'),
      ...headers,
    },
    timeoutMs: read('TIMEOUT', milliseconds) ?? DEFAULT_TIMEOUT_MS,
    compression: read('COMPRESSION', compressionOf) ?? 'none',
    caFile: read('CERTIFICATE', asText),
    certFile: read('CLIENT_CERTIFICATE', asText),
    keyFile: read('CLIENT_KEY', asText),
    resource: {
      'service.name': 'sallyport',
      ...pairs('OTEL_RESOURCE_ATTRIBUTES'),
      ...readOne(env, 'OTEL_SERVICE_NAME', text => ({ 'service.name': text }), onUnusable),
    },
  }
}

function readOne<T>(
  env: Environment,
  variable: string,
  parse: (text: string) => T | undefined,
  onUnusable: (variable: string) => void,
): T | undefined {
  const text = env[variable]?.trim()
  if (text === undefined || text === '') return undefined
  const value = parse(text)
  if (value === undefined) onUnusable(variable)
  return value
}

function httpUrl(text: string): string | undefined {
  const url = URL.parse(text)
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url.href : undefined
}

function milliseconds(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}

function compressionOf(text: string): 'none' | 'gzip' | undefined {
  return text === 'none' || text === 'gzip' ? text : undefined
}

/** Reads `a=1,b=2`, in percent-encoding as in W3C Baggage. */
function pairsIn(text: string): Readonly<Record<string, string>> | undefined {
  const pairs: Record<string, string> = {}
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    if (name === undefined || value === undefined) return undefined
    try {
      pairs[decodeURIComponent(name.trim())] = decodeURIComponent(value.trim())
    } catch {
      return undefined
    }
  }
  return pairs
}
