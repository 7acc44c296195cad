/**
 * Says which request fields mean something to the gateway, and what is done with each; all others pass.
 *
 * An alias of such a name is dropped and nothing else: `X_Forwarded_For` does not mean `X-Forwarded-For` to us, but a
 * server behind us may take it for that.
 */
import { foldedFieldName } from '../lib/field-name.ts'
import { isHopByHop } from './hop-by-hop.ts'

/**
 * What is done with a field that the gateway knows:
 * - `drop`: it ends here, and the gateway may write its own
 * - `frame`: it tells the length of the message and passes as it came
 * - `token`: it holds the caller's credential
 * - `proof`: it proves that the caller may use that, and passes only with a credential that nobody has judged here
 * - `certificate`: it names the client's certificate, and passes from trusted peers only, if the configuration says so
 * - `mounted`: it tells where a proxy in front of us has mounted the service, and passes from trusted peers only
 * - `trace`: it tells which trace the request belongs to, and passes unless the gateway says that itself
 * - `chain`: it tells what proxies in front of us said about the client, and is kept from trusted peers only
 */
export type Handling = 'drop' | 'frame' | 'token' | 'proof' | 'certificate' | 'mounted' | 'trace' | 'chain'

const OWN_NAMES: ReadonlyMap<string, Handling> = new Map([
  // The gateway writes these anew, from what it has checked.
  ['host', 'drop'],
  ['x-request-id', 'drop'],
  ['content-length', 'frame'],
  ['traceparent', 'trace'],
  ['tracestate', 'trace'],
  ['authorization', 'token'],
  ['dpop', 'proof'],
  ['client-cert', 'certificate'],
  ['client-cert-chain', 'certificate'],
  ['x-forwarded-client-cert', 'certificate'],
  ['x-forwarded-prefix', 'mounted'],
  ['x-forwarded-port', 'mounted'],
  ['x-forwarded-for', 'chain'],
  ['x-forwarded-proto', 'chain'],
  ['x-forwarded-host', 'chain'],
  ['forwarded', 'chain'],
  ['x-real-ip', 'chain'],
  // Each of these makes some framework route by something other than the request line that was judged.
  ['x-original-url', 'drop'],
  ['x-rewrite-url', 'drop'],
  ['x-http-method-override', 'drop'],
  ['x-http-method', 'drop'],
  ['x-method-override', 'drop'],
])

/** @returns undefined for a name that means nothing to the gateway */
export function handlingOf(name: string): Handling | undefined {
  const folded = foldedFieldName(name)
  if (isHopByHop(folded)) return 'drop'
  const handling = OWN_NAMES.get(folded)
  if (handling === undefined) return folded.startsWith('x-forwarded-') ? 'drop' : undefined
  return folded === name.toLowerCase() ? handling : 'drop'
}

/**
 * Is true for a name that no claim may be sent under. Other names that begin with `X-Forwarded-` are free: what arrives
 * under them is dropped, so `X-Forwarded-User` can carry a claim to a service that was written for another proxy.
 */
export function isOwnName(name: string): boolean {
  const folded = foldedFieldName(name)
  return isHopByHop(folded) || OWN_NAMES.has(folded)
}
