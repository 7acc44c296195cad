/**
 * Makes the layer that asks for proofs of possession, of the sections `dpop` and `clientCertificate`.
 *
 * What was used is remembered by the services, so that a reload forgets none of it.
 */
import { thumbprintProblem } from '../authenticate/confirmation.ts'
import { boundTokenLayer } from '../authenticate/proof/bound.ts'
import { certificateHeader } from '../authenticate/proof/certificate-header.ts'
import { type DpopJudge, dpopJudge, type ReplayGuard } from '../authenticate/proof/dpop.ts'
import { nonces } from '../authenticate/proof/nonce.ts'
import type { ReplayStore } from '../authenticate/proof/replay-store.ts'
import { targetUris } from '../authenticate/proof/target-uri.ts'
import { certificateSource } from '../config/schema/certificate-source.ts'
import type { Config, DpopConfig } from '../config/schema/schema.ts'
import { trustedProxies } from '../downstream/client-address.ts'
import { withoutLineBreak } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { Policy } from '../policy.ts'
import type { AuthenticatorLayer, Confirmation } from '../types.ts'
import type { Services } from './services.ts'

interface ProofSources {
  /** Undefined where each process remembers its own proofs alone. */
  readonly shared: ReplayStore | undefined
  /** Undefined: that in the file of the configuration. */
  readonly nonceSecret: Buffer | undefined
}

type ProofServices = Pick<Services, 'clock' | 'metrics' | 'replays'>

interface ProofChecks {
  readonly layer: AuthenticatorLayer
  readonly checkClientCertificate: Policy['checkClientCertificate']
}

/** @throws {Error} the file of the nonces' secret was good when it was checked, and cannot be used any more */
export function proofChecks(config: Config, services: ProofServices, sources: ProofSources): ProofChecks {
  const { dpop, listen, clientCertificate } = config
  const source = certificateSource(listen, clientCertificate)
  const named =
    source?.from === 'header'
      ? certificateHeader({ header: source.header, trusts: trustedProxies(listen.trustedProxies) })
      : undefined
  return {
    layer: boundTokenLayer({
      dpop: dpop === undefined ? undefined : judgeOf(dpop, services, sources),
      // What a proxy shows on its connection to us is its own certificate, and no client's.
      certificateOf: source?.from === 'connection' ? ({ peer }) => peer.certificateThumbprint : named,
      onResult: services.metrics.proofJudged,
    }),
    checkClientCertificate: named,
  }
}

/** Whether somebody can prove here what a token with this binding asks for, if he holds the keys. */
export function isProvable(
  { dpop, listen, clientCertificate }: Config,
  { jkt, certificateThumbprint }: Confirmation,
): boolean {
  const isGood = (thumbprint: string | undefined): boolean =>
    thumbprint === undefined || thumbprintProblem(thumbprint) === undefined
  if (!isGood(jkt) || !isGood(certificateThumbprint)) return false
  if (jkt !== undefined && dpop === undefined) return false
  if (certificateThumbprint === undefined) return jkt !== undefined
  return certificateSource(listen, clientCertificate) !== undefined
}

function judgeOf(
  dpop: DpopConfig,
  { clock, replays }: ProofServices,
  { shared, nonceSecret }: ProofSources,
): DpopJudge {
  const { baseUrls, algorithms, maxAge, clockTolerance, nonce } = dpop
  return dpopJudge({
    baseUrls,
    targetUris: targetUris(baseUrls),
    algorithms: new Set(algorithms),
    maxAgeSeconds: maxAge / 1000,
    clockToleranceSeconds: clockTolerance / 1000,
    nonces:
      nonce &&
      nonces({
        secret: nonceSecret ?? withoutLineBreak(readTrustedFile(nonce.secretFile)),
        lifetimeMs: nonce.lifetime,
        clock,
      }),
    replay: replayGuard(replays, shared, dpop.replay.whenUnavailable ?? 'refuse'),
    clock,
  })
}

/** Asks the memory of this process first: it costs nothing, and is what is left while the store is away. */
function replayGuard(
  replays: Services['replays'],
  shared: ReplayStore | undefined,
  whenUnavailable: 'refuse' | 'local',
): ReplayGuard {
  if (shared === undefined) return proof => replays.remember(proof)
  return proof => {
    const here = replays.remember(proof)
    if (here !== 'new') return here
    return shared
      .remember(proof)
      .then(answer => (answer === 'unavailable' && whenUnavailable === 'local' ? 'local' : answer))
  }
}
