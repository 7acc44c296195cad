/**
 * Says which headers of a proxy's question are believed, and for what, beside those of the same kind that are not.
 */
import { isSaidByProxies } from '../../decision/asked-facts.ts'
import { type Caller, DECIDE_PATH, FACT_HEADERS } from '../../decision/callers.ts'
import type { RequestFacts } from '../../types.ts'

export interface SaidHeader {
  /** A header, or the request line. */
  readonly name: string
  readonly value: string
  /** What it is believed for; undefined: it is not believed. */
  readonly as: 'target' | 'method' | 'host' | 'client' | 'scheme' | undefined
}

/** @param question as the proxy sends it */
export function saidHeaders(caller: Caller, { method, target, rawHeaders }: RequestFacts): readonly SaidHeader[] {
  const { uses, line } = placesOf(caller, `${method} ${target}`)
  const said = rawHeaders.flatMap((name, i): readonly SaidHeader[] => {
    if (i % 2 === 1) return []
    const as = uses.get(name.toLowerCase())
    return as === undefined && !isSaidByProxies(name) ? [] : [{ name, value: rawHeaders[i + 1] ?? '', as }]
  })
  return [...line, ...said]
}

function placesOf(caller: Caller, requestLine: string) {
  const headers = FACT_HEADERS[caller]
  const peer = [['x-forwarded-for', 'client'] as const, ['x-forwarded-proto', 'scheme'] as const]
  if (headers !== undefined) {
    const { target, method, host } = headers
    const uses = new Map<string, SaidHeader['as']>([[target, 'target'], [method, 'method'], [host, 'host'], ...peer])
    return { uses, line: [] }
  }
  const value = requestLine.replace(` ${DECIDE_PATH}`, ' ')
  const line: readonly SaidHeader[] = [{ name: 'request line', value, as: 'target' }]
  return { uses: new Map<string, SaidHeader['as']>([['host', 'host'], ...peer]), line }
}
