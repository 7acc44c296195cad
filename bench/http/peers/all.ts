/** Knows the peers by the names that the command line has for them. */
import type { Bench } from '../scenario.ts'
import { envoy } from './envoy.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { composition, expressPeer, rawForwarder } from './node-peers.ts'
import type { Peer } from './peer.ts'

const PEERS = { raw: rawForwarder, composition, haproxy, nginx, envoy, express: expressPeer } as const

export type PeerName = keyof typeof PEERS

/** @returns those of `names` that the run wants; the first three need nothing that could be missing */
export function chosenPeers({ against }: Pick<Bench, 'against'>, names: readonly PeerName[]): readonly Peer[] {
  const unknown = (against ?? []).filter(name => !Object.hasOwn(PEERS, name))
  if (unknown.length > 0) throw new Error(`there is no peer ${unknown.join(', ')}`)
  return names.filter(name => against === undefined || against.includes(name)).map(name => PEERS[name])
}
