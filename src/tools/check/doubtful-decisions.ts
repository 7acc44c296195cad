/** Finds where `decide` lets too many ask, or nobody, and what its proxy would be missing. */
import type { Path } from '../../config/check/findings.ts'
import { isLogin } from '../../config/schema/accepted.ts'
import type { Config, DecideConfig } from '../../config/schema/schema.ts'
import type { Policy } from '../../policy.ts'

interface DoubtfulDecisions {
  readonly code: 'decide-open' | 'decide-unreachable' | 'decide-preflight' | 'endpoint-unserved'
  readonly path: Path
  readonly message: string
}

/** @param policy compiled from `config` */
export function doubtfulDecisions(config: Config, policy: Policy): readonly DoubtfulDecisions[] {
  const { decide } = config
  if (decide === undefined) return []
  return [...askers(decide), ...preflights(decide, policy), ...(config.listen === undefined ? unserved(config) : [])]
}

/** As broad as half of all addresses: a private network is no wider than a /8. */
const EVERYBODY = /^(?:\d[\d.]*\/[0-7]|[\da-f:]+\/(?:\d|1\d|2[0-3]))$/i
const LOOPBACK = /^(?:localhost$|127\.|::1$)/i
const THIS_MACHINE = /^(?:unix:|127\.[\d.]+(?:\/\d+)?|::1(?:\/128)?)$/

function askers({ listen: { address }, trustedProxies }: DecideConfig): readonly DoubtfulDecisions[] {
  const wide = trustedProxies.findIndex(each => EVERYBODY.test(each))
  if (wide !== -1) {
    const message =
      'lets everybody ask who reaches the port: such a peer names client, host and path, and is told who a caller is; list the addresses of the proxy alone'
    return [{ code: 'decide-open', path: ['decide', 'trustedProxies', wide], message }]
  }
  const message = nobodyMayAsk(address, trustedProxies)
  if (message === undefined) return []
  return [{ code: 'decide-unreachable', path: ['decide', 'listen'], message }]
}

function nobodyMayAsk(
  address: DecideConfig['listen']['address'],
  trustedProxies: DecideConfig['trustedProxies'],
): string | undefined {
  if ('socketPath' in address) return undefined
  const isLocal = LOOPBACK.test(address.host)
  if (!trustedProxies.every(each => THIS_MACHINE.test(each) !== isLocal)) return undefined
  return isLocal
    ? 'is reached by this machine alone, and it may not ask; leave `decide.trustedProxies` out or add 127.0.0.1 to it, or listen where the proxy is'
    : 'is reached by other machines, and none of them may ask; list the proxy in `decide.trustedProxies`, or listen on 127.0.0.1'
}

function preflights({ caller }: DecideConfig, { routes }: Policy): readonly DoubtfulDecisions[] {
  const index = caller === 'envoy' ? -1 : routes.findIndex(({ cors }) => cors !== undefined)
  if (index === -1) return []
  const remedy =
    caller === 'traefik'
      ? 'have its middleware `headers` answer preflights, before `forwardAuth`'
      : `what \`sallyport snippet ${caller}\` prints answers 204 then`
  const message = `passes on no answer with a status of success, so the one to a preflight is 403 with \`X-Sallyport-Code: preflight\`; ${remedy}`
  return [{ code: 'decide-preflight', path: ['decide', 'caller'], message }]
}

/** What answers on the traffic listener has none. */
function unserved({ providers, revocation, resources }: Config): readonly DoubtfulDecisions[] {
  const logins = Object.entries(providers).filter(([, provider]) => isLogin(provider))
  const paths: readonly Path[] = [
    ...logins.map(([id]) => ['providers', id, 'paths']),
    ...(revocation?.backchannelLogout === undefined ? [] : [['revocation', 'backchannelLogout']]),
    ...(revocation?.signals === undefined ? [] : [['revocation', 'signals']]),
    ...(Object.keys(resources).length === 0 ? [] : [['resources']]),
  ]
  const message =
    'is answered by the listener of the traffic, which this file does not have; add `listen`, and have the proxy forward these paths to it'
  return paths.map(path => ({ code: 'endpoint-unserved', path, message }))
}
