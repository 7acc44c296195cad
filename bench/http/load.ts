/** Drives one target with wrk and gives what it saw. A single answer that is no success fails the whole benchmark. */
import { fileURLToPath } from 'node:url'
import { run } from './processes.ts'

export interface LoadOptions {
  readonly url: string
  readonly seconds: number
  readonly connections?: number
  /** A file with one token a line; they are taken in turns, and the next load of the target goes on behind them. */
  readonly tokensFile?: string
  readonly target?: string
  /** The number of different paths below the target. */
  readonly paths?: number
  readonly method?: string
  readonly bodyBytes?: number
  /** Further header lines: `Connection: close`. */
  readonly headers?: readonly string[]
  /** The mean pause of each connection between two requests, which fixes the rate instead of the pressure. */
  readonly thinkMs?: number
  /** Refusals are counted, in place of failing the benchmark. */
  readonly mayRefuse?: boolean
}

export interface LoadResult {
  readonly requests: number
  /** The bytes received, heads included. */
  readonly bytes: number
  readonly durationUs: number
  readonly p50Us: number
  readonly p99Us: number
  /** With `mayRefuse`: how many answers were no success. */
  readonly refused?: number
}

interface Printed extends LoadResult {
  readonly statusErrors: number
  readonly socketErrors: number
}

export const CONNECTIONS = 32
/** How many tokens each target has seen at most. With the same ones again, those of a cold load would be known. */
const sentTo = new Map<string, number>()
const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url))

export async function load(options: LoadOptions): Promise<LoadResult> {
  const { url, seconds, connections = CONNECTIONS, tokensFile, target, paths, method, bodyBytes } = options
  const { headers, thinkMs, mayRefuse = false } = options
  const env = Object.entries({
    TOKENS: tokensFile,
    FIRST: sentTo.get(url),
    TARGET: target,
    PATHS: paths,
    METHOD: method,
    BODY_BYTES: bodyBytes,
    HEADERS: headers?.join('\n'),
    THINK_MS: thinkMs,
  }).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '--latency', '-s', SCRIPT, url]
  const output = await run('wrk', args, { place: 'load', env: Object.fromEntries(env) })
  const json = /^JSON (\{.*\})$/m.exec(output)?.[1]
  if (json === undefined) throw new Error(`wrk printed no result: ${output}`)
  const { statusErrors, socketErrors, ...result } = JSON.parse(json) as Printed
  if ((statusErrors > 0 && !mayRefuse) || socketErrors > 0 || result.requests === 0) {
    throw new Error(`${url}: ${statusErrors} refused, ${socketErrors} failed of ${result.requests} requests`)
  }
  // Of each connection, one may be on its way.
  sentTo.set(url, (sentTo.get(url) ?? 0) + result.requests + connections)
  return { ...result, refused: statusErrors }
}
