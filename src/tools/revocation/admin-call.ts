/**
 * Tells a gateway on this machine of a revocation, by `/-/revocations` of its admin listener.
 *
 * The secret is sent in the clear, so it goes to a loopback address or a Unix socket and nowhere else.
 */
import { type OutgoingHttpHeaders, request } from 'node:http'
import { REVOCATIONS_PATH } from '../../admin/revocations.ts'
import type { Address } from '../../config/schema/schema.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { isLoopback } from '../../lib/loopback.ts'

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

/** The gateway could not be asked. The message says why. */
export class AdminCallError extends Error {
  override readonly name = 'AdminCallError'
}

const TIMEOUT_MS = 10_000
const MOST_ANSWER_BYTES = 64 * 1024

/** Where the listener can be called from this machine; undefined where no loopback address leads to it. */
export function callable(address: Address): Address | undefined {
  if ('socketPath' in address) return address
  const { host, port } = address
  if (host === '0.0.0.0') return { host: '127.0.0.1', port }
  if (host === '::') return { host: '::1', port }
  const url = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}`)
  return url !== null && isLoopback(url) ? address : undefined
}

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

interface AdminQuestion {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly address: Address
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  /** A longer answer is broken off. */
  readonly mostBytes: number
  readonly signal: AbortSignal
}

/** Asks the admin listener of any gateway. @throws {AdminCallError} */
export function askAdmin(question: AdminQuestion): Promise<{ readonly status: number; readonly text: string }> {
  const { method, address, path, headers = {}, body, mostBytes, signal } = question
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly text: string }>()
  const failed = (reason: string): void => reject(new AdminCallError(`the admin listener ${reason}`))
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const call = request(
    { ...address, method, path, agent: false, signal, headers: { ...headers, ...length, host: 'localhost' } },
    response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
        if (text.length > mostBytes) response.destroy(new Error('the answer is too large'))
      })
      response.on('error', error => failed(`broke off its answer: ${connectionFailureText(error)}`))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    },
  )
  call.on('error', error => failed(`cannot be reached: ${connectionFailureText(error)}`))
  call.end(body)
  return promise
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
