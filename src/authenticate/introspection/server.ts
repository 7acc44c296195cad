/**
 * Asks an authorization server about tokens, and says what it answers, or why there is no answer.
 *
 * RFC 7662 §2.1 (the question), RFC 9701 §4 (asking for a signed answer). It asks once for each call: it remembers no
 * answer and waits for no turn. It has no timer; the caller's signal ends a question at every stage.
 */
import type { Egress } from '../../egress/egress.ts'
import { FetchFailure } from '../../keys/fetch/fetch-failure.ts'
import { hardenedRequest, place } from '../../keys/fetch/hardened-request.ts'
import { keptConnections } from '../../keys/fetch/kept-connections.ts'
import { readLocalFile } from '../../keys/fetch/local-file.ts'
import type { TraceRequest } from '../../keys/fetch/request-trace.ts'
import type { Clock } from '../../lib/clock.ts'
import { unlessAborted } from '../../lib/unless-aborted.ts'
import { type ClientCredentials, clientAuthentication } from '../../oauth/client-authentication.ts'
import type { KeySet } from '../../types.ts'
import { type AnsweringServer, type IntrospectionAnswer, QuestionFailure } from './answer.ts'
import { endpoint as endpointOf } from './endpoint.ts'
import { bodyOf, jsonAnswer, MEDIA_TYPES } from './read-answer.ts'
import { type SignedAnswerReader, signedAnswerReader } from './signed-answer.ts'

interface IntrospectionServerOptions {
  readonly issuer: string
  /** Undefined: it is discovered. */
  readonly endpoint: string | undefined
  readonly client: ClientCredentials
  readonly response: 'json' | 'jwt'
  /** Verifies signed answers; needed for `jwt`. */
  readonly keySet?: KeySet | undefined
  /** The algorithms of signed answers; undefined: every asymmetric one. */
  readonly algorithms?: readonly string[] | undefined
  /** Resolves to the JWS inside of a JWE; without it, encrypted answers are refused. */
  readonly decrypt?: ((jwe: string) => Promise<string>) | undefined
  readonly isEncryptionRequired?: boolean | undefined
  readonly clock: Clock
  readonly clockToleranceSeconds: number
  readonly caFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly trace?: TraceRequest | undefined
  readonly allowInsecureHttp: boolean
  /** The most questions that are asked at a time, each on a connection. */
  readonly connections: number
}

const MOST_ANSWER_BYTES = 64 * 1024

export function introspectionServer(options: IntrospectionServerOptions): AnsweringServer {
  const { client, response, clock, caFile, egress, trace } = options
  const endpoint = endpointOf({ ...options, client: client.auth === 'tls' ? 'certificate' : 'other' })
  const authentication = clientAuthentication({ client, issuer: options.issuer, clock })
  const kept = keptConnections(options.connections)
  const readSigned = signedReader(options)

  async function found(signal: AbortSignal): Promise<string> {
    try {
      return await endpoint.find(signal)
    } catch (error) {
      throw undiscovered(error)
    }
  }

  async function ask(token: string, signal: AbortSignal): Promise<IntrospectionAnswer> {
    signal.throwIfAborted()
    const url = await found(signal)
    const form = new URLSearchParams({ token, token_type_hint: 'access_token' })
    const ca = caFile === undefined ? undefined : readLocalFile(caFile, 'caFile').toString('utf8')
    const proof = await authentication.proveIn(form)
    const answer = await hardenedRequest({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: MEDIA_TYPES[response],
        // An answer is small, so that packing it would cost more than it saves.
        'accept-encoding': 'identity',
        'user-agent': 'sallyport',
        ...proof.headers,
      },
      body: form.toString(),
      tls: { ca, ...proof.tls },
      maxBytes: MOST_ANSWER_BYTES,
      egress,
      trace,
      kept,
      signal,
    })
    const body = bodyOf(answer, { form: response, place: place(url), nowMs: clock.nowMs() })
    return readSigned === undefined
      ? jsonAnswer(body, place(url))
      : await unlessAborted(readSigned(body, place(url)), signal)
  }

  return {
    get endpoint() {
      return endpoint.known
    },
    ask: (token, signal) => failingAsAgreed(ask(token, signal), signal),
    async discover(signal) {
      if (endpoint.known !== undefined) return
      await failingAsAgreed(found(signal), signal)
    },
    close() {
      endpoint.close()
      kept.close()
    },
  }
}

function signedReader(options: IntrospectionServerOptions): SignedAnswerReader | undefined {
  const { response, keySet, client } = options
  if (response === 'json') return undefined
  if (keySet === undefined) throw new TypeError('signed answers need a key set')
  return signedAnswerReader({ ...options, keySet, clientId: client.id })
}

/** A metadata document that is wrong is no invalid answer to a question. */
function undiscovered(error: unknown): unknown {
  if (!(error instanceof FetchFailure)) return error
  return new QuestionFailure('error', `the introspection endpoint cannot be discovered: ${error.message}`)
}

async function failingAsAgreed<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await task
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof QuestionFailure) throw error
    if (error instanceof FetchFailure) throw failureOf(error)
    throw new QuestionFailure('error', 'the question failed for an unknown reason', { cause: error })
  }
}

function failureOf({ result, message }: FetchFailure): QuestionFailure {
  return result === 'too_large' || result === 'invalid'
    ? new QuestionFailure('invalid', `the introspection endpoint did not answer well: ${message}`, { blames: 'either' })
    : new QuestionFailure('error', message)
}
