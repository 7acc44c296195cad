/**
 * Reads an answer that the server has signed for us: a JWT with what it says in `token_introspection`.
 *
 * RFC 9701 §5. The answer is not bound to the token that was asked about, so it counts for the question on whose
 * connection it came, and for a minute only. It may be encrypted; who can decrypt it is given from outside.
 */
import { Denial } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { compactForm } from '../../lib/compact-form.ts'
import type { Claims, KeySet } from '../../types.ts'
import { statementVerifier } from '../jwt/statement-verifier.ts'
import { type IntrospectionAnswer, QuestionFailure } from './answer.ts'
import { answerIn } from './read-answer.ts'

interface SignedAnswerOptions {
  readonly issuer: string
  /** For whom answers must be; without it none can be accepted. */
  readonly clientId: string | undefined
  readonly keySet: KeySet
  /** Undefined: every asymmetric one. */
  readonly algorithms?: readonly string[] | undefined
  /** Resolves to the JWS inside of a JWE. Without it, encrypted answers are refused. */
  readonly decrypt?: ((jwe: string) => Promise<string>) | undefined
  /** Whether answers that are not encrypted are refused. */
  readonly isEncryptionRequired?: boolean | undefined
  readonly clock: Clock
  readonly clockToleranceSeconds: number
}

/**
 * @param place names the endpoint in messages
 * @throws {QuestionFailure} it is not a good answer, or there are no keys to tell
 */
export type SignedAnswerReader = (body: Buffer, place: string) => Promise<IntrospectionAnswer>

/** Beyond the clock tolerance, the answer may be this old: it was made for the question that is under way. */
const OLDEST_SECONDS = 60

export function signedAnswerReader(options: SignedAnswerOptions): SignedAnswerReader {
  const { issuer, keySet, algorithms, clockToleranceSeconds } = options
  const verifier = statementVerifier({ issuer, keySet, algorithms, clockToleranceSeconds })
  return async (body, place) => {
    const jws = await plain(body.toString('latin1'), options, place)
    const { type, claims } = await verifier.verify(jws).catch((error: unknown) => {
      throw judged(error, place)
    })
    const problem = typeProblem(type) ?? claimProblem(claims, options)
    if (problem !== undefined) throw invalid(place, problem)
    return answerIn(claims.token_introspection, place)
  }
}

async function plain(
  text: string,
  { decrypt, isEncryptionRequired }: SignedAnswerOptions,
  place: string,
): Promise<string> {
  if (compactForm(text) !== 'jwe') {
    if (isEncryptionRequired === true) throw invalid(place, 'it is not encrypted')
    return text
  }
  if (decrypt === undefined) throw invalid(place, 'it is encrypted, and there is no key to decrypt it')
  try {
    return await decrypt(text)
  } catch {
    throw invalid(place, 'it cannot be decrypted')
  }
}

function judged(error: unknown, place: string): unknown {
  if (!(error instanceof Denial)) return error
  return error.code === 'keys_unavailable'
    ? new QuestionFailure('error', `there are no keys to verify the signed answers of ${place}`)
    : invalid(place, `it is refused as a JWT is by ${error.code}`)
}

function typeProblem(type: string | undefined): string | undefined {
  return type === 'token-introspection+jwt' ? undefined : 'its typ is not token-introspection+jwt'
}

function claimProblem(
  { iss, aud, iat }: Claims,
  { issuer, clientId, clock, clockToleranceSeconds }: SignedAnswerOptions,
): string | undefined {
  if (iss !== issuer) return 'its iss is not the issuer'
  if (clientId === undefined) return 'nobody can tell whether it is for us, because `client.id` is left out'
  if (aud !== clientId && !(Array.isArray(aud) && aud.includes(clientId))) return 'its aud is not our client id'
  if (typeof iat !== 'number') return 'it has no iat'
  const ageSeconds = clock.nowMs() / 1_000 - iat
  if (ageSeconds < -clockToleranceSeconds) return 'its iat is in the future'
  return ageSeconds > clockToleranceSeconds + OLDEST_SECONDS ? 'its iat is too long ago' : undefined
}

function invalid(place: string, problem: string): QuestionFailure {
  return new QuestionFailure('invalid', `the signed answer of ${place} is not accepted: ${problem}`, {
    blames: 'either',
  })
}
