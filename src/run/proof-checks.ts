/**
 * Makes the layer that asks for proofs of possession, of the sections `dpop` and `clientCertificate`.
 *
 * What was used is remembered by the services, so that a reload forgets none of it.
 */
import { boundTokenLayer } from '../authenticate/proof/bound.ts'
import { type DpopJudge, dpopJudge, type ReplayGuard } from '../authenticate/proof/dpop.ts'
import { nonces } from '../authenticate/proof/nonce.ts'
import { targetUris } from '../authenticate/proof/target-uri.ts'
import type { Config, DpopConfig } from '../config/schema/schema.ts'
import { withoutLineBreak } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { AuthenticatorLayer } from '../types.ts'
import type { Services } from './services.ts'

type ProofServices = Pick<Services, 'clock' | 'metrics' | 'replays'>

/** @throws {Error} the file of the nonces' secret was good when it was checked, and cannot be used any more */
export function proofLayer({ dpop }: Config, services: ProofServices): AuthenticatorLayer {
  return boundTokenLayer({
    dpop: dpop === undefined ? undefined : judgeOf(dpop, services),
    certificateOf: undefined,
    onResult: services.metrics.proofJudged,
  })
}

function judgeOf(dpop: DpopConfig, { clock, replays }: ProofServices): DpopJudge {
  const { baseUrls, algorithms, maxAge, clockTolerance, nonce } = dpop
  return dpopJudge({
    baseUrls,
    targetUris: targetUris(baseUrls),
    algorithms: new Set(algorithms),
    maxAgeSeconds: maxAge / 1000,
    clockToleranceSeconds: clockTolerance / 1000,
    nonces:
      nonce &&
      nonces({ secret: withoutLineBreak(readTrustedFile(nonce.secretFile)), lifetimeMs: nonce.lifetime, clock }),
    replay: replayGuard(replays),
    clock,
  })
}

function replayGuard(replays: Services['replays']): ReplayGuard {
  return proof => replays.remember(proof)
}
