/**
 * Makes the layer that asks for proofs of possession, of the sections `dpop` and `clientCertificate`.
 *
 * What was used is remembered by the services, so that a reload forgets none of it.
 */
import { boundTokenLayer } from '../authenticate/proof/bound.ts'
import { certificateHeader } from '../authenticate/proof/certificate-header.ts'
import { type DpopJudge, dpopJudge } from '../authenticate/proof/dpop.ts'
import { nonces } from '../authenticate/proof/nonce.ts'
import { replayGuard } from '../authenticate/proof/replay-guard.ts'
import type { ReplayStore } from '../authenticate/proof/replay-store.ts'
import { targetUris } from '../authenticate/proof/target-uri.ts'
import { certificateSource } from '../config/schema/certificate-source.ts'
import type { Config, DpopConfig } from '../config/schema/schema.ts'
import { trustedProxies } from '../downstream/client-address.ts'
import { withoutLineBreak } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import type { Policy } from '../policy.ts'
import type { AuthenticatorLayer, ProofKind } from '../types.ts'
import type { Services } from './services.ts'

interface ProofSources {
  /** Undefined where each process remembers its own proofs alone. */
  readonly shared: ReplayStore | undefined
  /** Undefined where the file that the configuration names holds it. */
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
      ? certificateHeader({ header: source.header, trusts: trustedProxies(listen?.trustedProxies ?? []) })
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

/** @returns the kinds of proofs that somebody judges with this configuration */
export function judgedProofs({ dpop, listen, clientCertificate }: Config): ReadonlySet<ProofKind> {
  const kinds = new Set<ProofKind>()
  if (dpop !== undefined) kinds.add('dpop')
  if (certificateSource(listen, clientCertificate) !== undefined) kinds.add('certificate')
  return kinds
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
    replay: replayGuard({ memory: replays, shared, whenUnavailable: dpop.replay.whenUnavailable ?? 'refuse' }),
    clock,
  })
}
