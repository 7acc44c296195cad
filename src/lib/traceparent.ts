/** Finds the trace that a request says it belongs to. W3C Trace Context §3.2. */

/** Version 00 has exactly these fields; a later one may append some (§3.2.4). */
const acceptable =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[\x21-\x7e]*)?$/
const NAME = 'traceparent'

/**
 * It is a loop of its own, since it looks at the lines of every request.
 *
 * @param rawHeaders flat names and values
 * @returns the value of `traceparent`; undefined without a valid one; several lines count as none
 */
export function traceparentIn(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue
    if (found !== undefined) return undefined
    found = rawHeaders[i + 1]
  }
  return found !== undefined && acceptable.test(found) ? found : undefined
}
