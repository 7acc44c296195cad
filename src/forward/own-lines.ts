/**
 * Puts what the gateway itself says into the head of a service's answer, in place of what the service says there.
 *
 * RFC 9449 §8.1, §9 (`DPoP-Nonce`). No proof reaches the service where the gateway judges them, so a nonce of the
 * service would lead the client astray: it would come back to the gateway, which does not know it.
 */
import type { Exchange } from '../exchange.ts'
import { foldedFieldName } from '../lib/field-name.ts'

/** @param lines flat names and values */
export function putOwnLines(lines: string[], { findings, policy }: Pick<Exchange, 'findings' | 'policy'>): void {
  const { route, responseLines: own } = findings
  if (policy.credentialRules.takesProofs && route?.access !== 'public') dropLines(lines, NONCE)
  if (own.length === 0) return
  dropLines(lines, new Set(own.flatMap((name, index) => (index % 2 === 0 ? [foldedFieldName(name)] : []))))
  lines.push(...own)
}

const NONCE: ReadonlySet<string> = new Set(['dpop-nonce'])

function dropLines(lines: string[], names: ReadonlySet<string>): void {
  for (let i = lines.length - 2; i >= 0; i -= 2) if (names.has(foldedFieldName(lines[i] as string))) lines.splice(i, 2)
}
