/**
 * Judges the DPoP proof of a request whose token is verified: cheap checks first, then the signature, and the memory of
 * proofs last, so that only a valid proof takes a place in it.
 *
 * RFC 9449 §4.3 (the checks), §7.1 (`ath`), §9 (nonces), §11.1 (replay). A proof is new with each request, so its
 * verdict is not remembered. What is remembered is its key, with the token that is bound to it.
 */
import { hash } from 'node:crypto'
import { Denial } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { keeper } from '../../lib/keeper.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, Principal, RequestFacts, RequestNotes } from '../../types.ts'
import { decodedPart, jsonObject, jwsParts } from '../jwt/compact-jws.ts'
import { signatureRefusal } from '../jwt/signature.ts'
import type { Nonces } from './nonce.ts'
import { proofIn } from './proof-header.ts'
import { type ProofKey, proofKey } from './proof-key.ts'
import { invalidProof, mismatch, shownWord, wrongTarget } from './refusals.ts'
import type { ReplayGuard } from './replay-guard.ts'
import type { TargetUris } from './target-uri.ts'
import type { ReplayAnswer, UsedProof } from './used-proof.ts'

interface DpopOptions {
  readonly targetUris: TargetUris
  /** As the configuration writes them, for the evidence. */
  readonly baseUrls: readonly string[]
  readonly algorithms: ReadonlySet<string>
  readonly maxAgeSeconds: number
  readonly clockToleranceSeconds: number
  /** Undefined where proofs need none. */
  readonly nonces: Nonces | undefined
  readonly replay: ReplayGuard
  readonly clock: Clock
}

/** The token that a proof comes with, and what it was verified to say. */
interface Presented {
  readonly token: string
  readonly principal: Principal
  /** The thumbprint of the key that the token is bound to. */
  readonly jkt: string
}

/** What further proofs for the same token need not find out again. */
interface KnownToken {
  /** The hash of the token, which each of its proofs repeats (RFC 9449 §4.2). */
  readonly ath: string
  /** The key that the token is bound to; undefined until a proof has shown it. */
  key: ProofKey | undefined
}

/**
 * Judges the proof of a request.
 *
 * It throws a {@link Denial} with `proof_required`, `proof_invalid`, `proof_nonce_required`, `proof_mismatch`,
 * `proof_replayed`, `overloaded` or `replay_store_unavailable`.
 */
export type DpopJudge = (
  presented: Presented,
  facts: RequestFacts,
  notes: RequestNotes,
) => MaybePromise<'valid' | 'valid_local'>

const MAX_JTI_CHARS = 256

/**
 * Makes the judge of a policy. For as long as a verdict on a token is remembered, it keeps the hash of that token and
 * the key of its proofs; each proof is judged by itself.
 */
export function dpopJudge(options: DpopOptions): DpopJudge {
  const { algorithms, replay } = options
  const tokens = keeper<KnownToken>()

  const knownOf = ({ principal, token }: Presented): KnownToken => {
    const known = tokens.get(principal)
    if (known !== undefined) return known
    const first: KnownToken = { ath: hash('sha256', token, 'base64url'), key: undefined }
    tokens.set(principal, first)
    return first
  }

  /** A client signs all of its proofs with the same header, so it is read once for each token. */
  const keyOf = (header: string, known: KnownToken, jkt: string): ProofKey => {
    if (known.key?.header === header) return known.key
    const read = proofKey(header, algorithms)
    if (read.jkt === jkt) known.key = read
    return read
  }

  return (presented, facts, notes) => {
    const text = proofIn(facts.rawHeaders)
    const known = knownOf(presented)
    const { jkt } = presented
    const { key, claims, signature } = asProof(() => {
      const [header, payload, signatureText] = jwsParts(text)
      return {
        key: keyOf(header, known, jkt),
        claims: jsonObject('payload', decodedPart('payload', payload)),
        signature: decodedPart('signature', signatureText),
      }
    })
    const proof = checkClaims(claims, { jkt, ath: known.ath }, facts, notes, options)
    const held = signatureRefusal({ token: text, header: { alg: key.alg }, signature }, key.key)
    return andThen(held, refusal => {
      if (refusal !== undefined) throw invalidProof('the signature does not hold')
      if (key.jkt !== jkt) throw mismatch(jkt, key.jkt)
      return andThen(replay(proof), answer => resultOf(answer, jkt))
    })
  }
}

/** Turns what is wrong with the form of a JWS into what is wrong with a proof. */
function asProof<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Denial) || error.code !== 'token_malformed') throw error
    throw invalidProof(String(error.evidence?.reason))
  }
}

/** @returns what is to be remembered of the proof, once its signature holds */
function checkClaims(
  claims: Claims,
  { jkt, ath: wantedHash }: Pick<Presented, 'jkt'> & Pick<KnownToken, 'ath'>,
  { method }: RequestFacts,
  notes: RequestNotes,
  options: DpopOptions,
): UsedProof {
  const { htm, htu, iat, ath, jti } = claims
  if (htm !== method) throw invalidProof('htm', { wanted: method, seen: shownWord(htm) })
  if (typeof htu !== 'string' || !options.targetUris(htu, notes.path))
    throw wrongTarget(htu, notes.path, options.baseUrls)
  const life = checkTime(claims, notes, options)
  if (typeof iat !== 'number') throw invalidProof('iat', { wanted: 'a number' })
  if (ath !== wantedHash) throw invalidProof('ath', { wanted: 'the hash of the access token' })
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_CHARS)
    throw invalidProof('jti', { wanted: `text of 1 to ${MAX_JTI_CHARS} characters` })
  return { jkt, jti, ...life }
}

/** Where nonces are asked for, the nonce tells the time, since the clock of a client may be wrong (RFC 9449 §8). */
function checkTime(
  { iat, nonce }: Claims,
  notes: RequestNotes,
  options: DpopOptions,
): Pick<UsedProof, 'madeAtMs' | 'expiresAtMs'> {
  const { nonces, clock, maxAgeSeconds, clockToleranceSeconds } = options
  const nowMs = clock.nowMs()
  if (nonces !== undefined) {
    const judged = typeof nonce === 'string' ? nonces.judge(nonce) : undefined
    if (judged === undefined || judged.isAging)
      notes.responseLines = [...notes.responseLines, 'DPoP-Nonce', nonces.current()]
    // Whatever its `iat` says, the proof may have been made at any time until the nonce expires.
    if (judged !== undefined) return { madeAtMs: judged.expiresAtMs, expiresAtMs: judged.expiresAtMs }
    throw new Denial('proof_nonce_required', {
      evidence: { reason: nonce === undefined ? 'there is no nonce' : 'the nonce is unknown or too old' },
    })
  }
  if (typeof iat !== 'number') throw invalidProof('iat', { wanted: 'a number' })
  const expiresAtMs = (iat + maxAgeSeconds + clockToleranceSeconds) * 1000 + 1
  const window = `between ${maxAgeSeconds + clockToleranceSeconds} s ago and ${clockToleranceSeconds} s ahead`
  // The comparisons are negated, so that NaN fails, too.
  if (!(nowMs < expiresAtMs && iat * 1000 <= nowMs + clockToleranceSeconds * 1000))
    throw invalidProof('iat', { wanted: window, seen: `${Math.round(nowMs / 1000 - iat)} s ago` })
  return { madeAtMs: iat * 1000, expiresAtMs }
}

/** @param jkt the thumbprint of the key, by which the log tells clients apart that share a subject */
function resultOf(answer: ReplayAnswer, jkt: string): 'valid' | 'valid_local' {
  switch (answer) {
    case 'new':
      return 'valid'
    case 'local':
      return 'valid_local'
    case 'replayed':
      throw new Denial('proof_replayed', { evidence: { jkt } })
    case 'forgotten':
      throw invalidProof('iat', { wanted: 'a time whose proofs are not forgotten yet' })
    case 'full':
      throw new Denial('overloaded', {
        evidence: { reason: 'no further proof can be remembered (dpop.replay.entries)' },
      })
    case 'full_for_key':
      throw new Denial('overloaded', {
        evidence: { reason: 'the proofs of this key fill half of the memory (dpop.replay.entries)', jkt },
      })
    case 'unavailable':
      throw new Denial('replay_store_unavailable')
  }
}
