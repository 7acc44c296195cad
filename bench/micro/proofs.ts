/**
 * Times DPoP proofs: all that the gateway does for one, with its key known, beside the bare verification of its
 * signature. A client makes a new proof for each request, so no verdict is remembered.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto'
import { dpopJudge } from '../../src/authenticate/proof/dpop.ts'
import { replayMemory } from '../../src/authenticate/proof/replay-memory.ts'
import { targetUris } from '../../src/authenticate/proof/target-uri.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Principal } from '../../src/types.ts'
import type { Case } from './harness.ts'
import { factsOf, rawHeadersWith } from './subject.ts'

const PROOFS = 500
const BASE_URLS = ['https://api.example.com', 'https://api.example.com/orders']

type ProofAlgorithm = 'ES256' | 'Ed25519' | 'RS256'

const PAIRS: Readonly<Record<ProofAlgorithm, () => { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>> =
  {
    ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    Ed25519: () => generateKeyPairSync('ed25519'),
    RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  }

/** @param token the access token that the proofs belong to */
export function proofCases(token: string): readonly Case[] {
  return (['ES256', 'Ed25519', 'RS256'] as const).flatMap(algorithm => casesOf(algorithm, token))
}

function casesOf(algorithm: ProofAlgorithm, token: string): readonly Case[] {
  const { publicKey, privateKey } = PAIRS[algorithm]()
  const digest = algorithm === 'Ed25519' ? null : 'sha256'
  const jwk = publicKey.export({ format: 'jwk' })
  const proofs = Array.from({ length: PROOFS }, () => proofOf({ algorithm, digest, jwk, privateKey, token }))
  const requests = proofs.map(proof => factsOf([...rawHeadersWith(token), 'DPoP', proof]))
  const memory = replayMemory({ clock: systemClock, entries: 10_000_000 })
  let used = 0
  const judge = dpopJudge({
    targetUris: targetUris(BASE_URLS),
    baseUrls: BASE_URLS,
    algorithms: new Set([algorithm]),
    maxAgeSeconds: 1800,
    clockToleranceSeconds: 5,
    nonces: undefined,
    // Each proof is used many times here, so each use of it counts as another one.
    replay: proof => memory.remember({ ...proof, jti: `${proof.jti}${used++}` }),
    clock: systemClock,
  })
  const principal = {} as Principal
  const jkt = thumbprint(jwk)
  const notes = { path: '/42', responseLines: [], isPrivate: false }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return [
    {
      name: `${algorithm} proof, all of it, beside its bare signature`,
      run: at => judge({ token, principal, jkt }, requests[at % PROOFS] as (typeof requests)[number], notes),
      beside(at) {
        const text = proofs[at % PROOFS] as string
        const dot = text.lastIndexOf('.')
        const signature = Buffer.from(text.slice(dot + 1), 'base64url')
        return verify(digest, Buffer.from(text.slice(0, dot)), { key, dsaEncoding: 'ieee-p1363' }, signature)
      },
    },
  ]
}

interface ProofParts {
  readonly algorithm: ProofAlgorithm
  readonly digest: string | null
  readonly jwk: object
  readonly privateKey: KeyObject
  readonly token: string
}

function proofOf({ algorithm, digest, jwk, privateKey, token }: ProofParts): string {
  const header = { typ: 'dpop+jwt', alg: algorithm, jwk }
  const claims = {
    jti: randomUUID(),
    htm: 'GET',
    htu: `${BASE_URLS[1]}/42`,
    iat: Math.floor(systemClock.nowMs() / 1000),
    ath: createHash('sha256').update(token).digest('base64url'),
  }
  const input = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign(digest, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

function thumbprint(jwk: object): string {
  const members = Object.entries(jwk).toSorted(([one], [other]) => (one < other ? -1 : 1))
  const text = JSON.stringify(Object.fromEntries(members))
  return createHash('sha256').update(text).digest('base64url')
}
