/** Tells whether a `traceparent` names a trace. W3C Trace Context §3.2. */

/** Version 00 has exactly these fields; a later one may append some (§3.2.4). */
const acceptable =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[\x21-\x7e]*)?$/

export function isTraceparent(value: string): boolean {
  return acceptable.test(value)
}
