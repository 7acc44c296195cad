/** Reads for which request a DPoP proof is asked, and prints the header lines with which a client sends it. */
import { METHODS } from 'node:http'
import { systemClock } from '../lib/clock.ts'
import type { ProofSigner, ProvedRequest } from '../tools/engine/proof-signer.ts'
import { UsageError } from './command.ts'

type Proved = Pick<ProvedRequest, 'method' | 'url'>

/** Reads `GET https://api.example.com/orders`. @throws {UsageError} */
export function provedRequest(text: string): Proved {
  const [, method = '', url = ''] = /^(\S+) +(\S+)$/.exec(text) ?? []
  if (!METHODS.includes(method) || !/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw new UsageError(
      `"${text}" is no request to prove: write a method and a whole URL, as in 'GET https://api.example.com/orders'${capitals(method)}`,
    )
  return { method, url }
}

/** Methods are told apart by their case (RFC 9110 §9.1), so a proof for `post` would be none for `POST`. */
function capitals(method: string): string {
  const inCapitals = method.toUpperCase()
  return method !== inCapitals && METHODS.includes(inCapitals) ? `; methods are in capitals: ${inCapitals}` : ''
}

/** Returns the lines as `curl -H @-` reads them. */
export async function proofLines(
  signer: ProofSigner,
  proved: Proved,
  token: string,
  nonce: string | undefined,
): Promise<string> {
  const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1000)
  return `Authorization: DPoP ${token}\nDPoP: ${await signer.proof({ ...proved, token, nonce, issuedAtSeconds })}\n`
}
