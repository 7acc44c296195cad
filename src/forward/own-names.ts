/**
 * Says which request fields mean something to us, and what becomes of each; everything else passes.
 *
 * An alias of such a name is dropped and nothing else: `X_Forwarded_For` does not mean `X-Forwarded-For` to us, but a
 * server behind us may take it for that.
 */
import { foldedFieldName } from '../lib/field-name.ts'
import { isHopByHop } from './hop-by-hop.ts'

/**
 * - `drop`: ends here, or is written anew by us
 * - `frame`: the message's own length, passed as it came
 * - `token`: the caller's credential
 * - `chain`: what proxies in front of us said about the client; kept from trusted peers only
 */
export type Handling = 'drop' | 'frame' | 'token' | 'chain'

const OWN_NAMES: ReadonlyMap<string, Handling> = new Map([
  // Written anew, from what was checked.
  ['host', 'drop'],
  ['x-request-id', 'drop'],
  ['traceparent', 'drop'],
  ['tracestate', 'drop'],
  ['content-length', 'frame'],
  ['authorization', 'token'],
  ['x-forwarded-for', 'chain'],
  ['x-forwarded-proto', 'chain'],
  ['x-forwarded-host', 'chain'],
  ['forwarded', 'chain'],
  ['x-real-ip', 'chain'],
  // Each makes some framework route by something other than the request line that was judged.
  ['x-original-url', 'drop'],
  ['x-rewrite-url', 'drop'],
  ['x-http-method-override', 'drop'],
  ['x-http-method', 'drop'],
  ['x-method-override', 'drop'],
])

/** Undefined for a name that has no meaning to us. */
export function handlingOf(name: string): Handling | undefined {
  const folded = foldedFieldName(name)
  if (isHopByHop(folded)) return 'drop'
  const handling = OWN_NAMES.get(folded)
  if (handling === undefined) return folded.startsWith('x-forwarded-') ? 'drop' : undefined
  return folded === name.toLowerCase() ? handling : 'drop'
}

/**
 * True for names that no claim may be sent under. Further `X-Forwarded-*` are not among them: what arrives under them is
 * dropped, so `X-Forwarded-User` may carry a claim to a service that was written for another proxy.
 */
export function isOwnName(name: string): boolean {
  const folded = foldedFieldName(name)
  return isHopByHop(folded) || OWN_NAMES.has(folded)
}
