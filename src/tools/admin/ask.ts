/** Asks the admin listener of any gateway one question over HTTP/1.1, on a connection of its own. */
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import type { Address } from '../../config/schema/schema.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'

/** The gateway could not be asked. The message says why. */
export class AdminCallError extends Error {
  override readonly name = 'AdminCallError'
}

interface Question {
  readonly address: Address
  readonly path: string
  /** `GET` unless another is given. */
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** `Host` is `localhost`, which every listener goes by, unless another is given. */
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  readonly signal: AbortSignal
}

interface WholeQuestion extends Question {
  /** A longer answer is broken off. */
  readonly mostBytes: number
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** @throws {AdminCallError} */
export async function askAdmin({ mostBytes, ...question }: WholeQuestion): Promise<Answer> {
  let step = 'cannot be reached'
  try {
    const response = await opened(question)
    step = 'broke off its answer'
    return { status: response.statusCode ?? 0, text: await textOf(response, mostBytes) }
  } catch (error) {
    throw new AdminCallError(`the admin listener ${step}: ${connectionFailureText(error)}`)
  }
}

/** Gives the answer as soon as its head is there. It rejects with what Node says. */
export function opened({ address, path, method, headers, body, signal }: Question): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const call = request(
    {
      ...address,
      ...(method === undefined ? {} : { method }),
      ...{ path, agent: false, signal, headers: { host: 'localhost', ...headers, ...length } },
    },
    resolve,
  )
  call.on('error', reject)
  call.end(body)
  return promise
}

/** @throws {Error} it breaks off, or is longer, which is told by its characters */
export async function textOf(response: IncomingMessage, mostBytes: number): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const piece of response) {
    text += String(piece)
    if (text.length > mostBytes) throw new Error('the answer is too large')
  }
  return text
}

/** @returns undefined when the text is no JSON: somebody else than a gateway may have answered */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
