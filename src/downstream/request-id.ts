/**
 * Gives every request an id: the client's when it is a harmless one, else a new one.
 *
 * The id is written to logs, to the bodies of refusals and to the upstream, so it must be short and of plain
 * characters, and none that looks like the beginning of a token: the header of a JWT, and a dot.
 */
import { randomHex } from '../lib/random-hex.ts'

const acceptable = /^(?!eyJ[\w-]*\.)[A-Za-z0-9._-]{1,128}$/

/** @param rawHeaders flat names and values; two `X-Request-Id` lines count as none */
export function requestId(rawHeaders: readonly string[]): string {
  let id: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 12 || name.toLowerCase() !== 'x-request-id') continue
    if (id !== undefined) return randomHex(16)
    id = rawHeaders[i + 1] as string
  }
  return id !== undefined && acceptable.test(id) ? id : randomHex(16)
}
