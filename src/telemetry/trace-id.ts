/** Finds the trace that a request says it belongs to (W3C Trace Context §3.2). */

/** Version 00 has exactly these fields; a later one may append some (§3.2.4). */
const acceptable =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[\x21-\x7e]*)?$/
const NAME = 'traceparent'

/** @returns undefined without a valid `traceparent`; two lines count as none */
export function traceIdOf(rawHeaders: readonly string[]): string | undefined {
  let traceparent: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue
    if (traceparent !== undefined) return undefined
    traceparent = rawHeaders[i + 1]
  }
  return traceparent === undefined ? undefined : acceptable.exec(traceparent)?.[1]
}
