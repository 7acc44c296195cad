/**
 * Tells a gateway on this machine of a revocation, by `/-/revocations` of its admin listener.
 *
 * The secret is sent in the clear, so it goes to a loopback address or a Unix socket and nowhere else.
 */
import { REVOCATIONS_PATH } from '../../admin/revocations.ts'
import type { Address } from '../../config/schema/schema.ts'
import { askAdmin, jsonOf } from '../admin/ask.ts'

interface AdminCall {
  readonly method: 'POST' | 'DELETE'
  /** Of the admin listener; whoever listens on every address is called on loopback. */
  readonly address: Address
  readonly secret: string
  readonly entry: Readonly<Record<string, unknown>>
}

interface AdminAnswer {
  readonly status: number
  readonly body: unknown
}

const TIMEOUT_MS = 10_000
const MOST_ANSWER_BYTES = 64 * 1024

/** @throws {AdminCallError} */
export async function callAdmin({ method, address, secret, entry }: AdminCall): Promise<AdminAnswer> {
  const { status, text } = await askAdmin({
    method,
    address,
    path: REVOCATIONS_PATH,
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify(entry),
    mostBytes: MOST_ANSWER_BYTES,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  return { status, body: jsonOf(text) }
}
