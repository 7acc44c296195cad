/**
 * Serves `/-/revocations` on the admin listener: takes a request in, and sends the answer that somebody else finds.
 *
 * Who answers is another process where several share the traffic, so request and answer are plain data. Nothing is
 * judged here but the size of the body, which is never held beyond 64 KiB. The rules of the listener about Host and
 * Origin come before.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ADMIN_STATUS } from '../errors.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Status } from './status-answer.ts'

export const REVOCATIONS_PATH = '/-/revocations'

/** The methods that the path may have. */
export const REVOCATIONS_METHODS = ['GET', 'HEAD', 'POST', 'DELETE'] as const

export interface RevocationsRequest {
  readonly method: string
  /** What stands behind the question mark; undefined when there is none. */
  readonly query: string | undefined
  readonly authorization: string | undefined
  readonly contentType: string | undefined
  /** The body in base64; undefined when it is larger than 64 KiB. */
  readonly body: string | undefined
}

export interface RevocationsAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON, and `status` stands for counts and state of the whole gateway. */
  readonly body: Readonly<Record<string, unknown>> | string | { readonly show: 'status' }
}

export type AnswerRevocations = (request: RevocationsRequest) => MaybePromise<RevocationsAnswer>

interface RevocationsOptions {
  readonly answer: AnswerRevocations
  readonly status: () => MaybePromise<Status>
}

const MOST_BODY_BYTES = 64 * 1024

/** Any method may ask: those without a route of their own are answered by {@link answerRevocations} alone. */
export function serveRevocations(app: FastifyInstance, options: RevocationsOptions): void {
  void app.register(async own => {
    own.removeAllContentTypeParsers()
    own.addContentTypeParser('*', (_request, payload, done) => {
      const pieces: Buffer[] = []
      let bytes = 0
      payload.on('data', (piece: Buffer) => {
        bytes += piece.length
        // What is too large is read to its end and dropped, so that the client gets to see the answer.
        if (bytes > MOST_BODY_BYTES) pieces.length = 0
        else pieces.push(piece)
      })
      payload.on('error', done)
      payload.on('end', () => done(null, bytes > MOST_BODY_BYTES ? undefined : Buffer.concat(pieces)))
    })
    own.route({
      method: [...REVOCATIONS_METHODS],
      url: REVOCATIONS_PATH,
      handler: (request, reply) => answerRevocations(request, reply, options),
    })
  })
}

/** Answers a request whose body was read, or has none. */
export async function answerRevocations(
  { method, url, headers, body }: FastifyRequest,
  reply: FastifyReply,
  { answer, status }: RevocationsOptions,
): Promise<FastifyReply> {
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  const at = url.indexOf('?')
  const found = await answer({
    method,
    query: at === -1 ? undefined : url.slice(at + 1),
    authorization: headers.authorization,
    contentType: headers['content-type'],
    body: body instanceof Buffer ? body.toString('base64') : hasBody ? undefined : '',
  })
  reply.code(found.status).header('cache-control', 'no-store')
  if (found.headers !== undefined) reply.headers(found.headers)
  if (typeof found.body === 'string') return reply.type('text/plain').send(found.body)
  if ('show' in found.body) return reply.send(countsOf(await status()))
  return reply.send(found.body)
}

/** A reload may have switched revocation off meanwhile. */
function countsOf({ revocation }: Status): NonNullable<Status['revocation']> | Readonly<Record<string, never>> {
  return revocation ?? {}
}

/** Answers that were not to be had: nobody could be asked. */
export const NOBODY_ANSWERS: RevocationsAnswer = {
  status: ADMIN_STATUS.notReady,
  headers: { 'retry-after': '1' },
  body: { error: 'no process of this gateway answers; send the request again' },
}
