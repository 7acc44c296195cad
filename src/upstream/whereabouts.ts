/**
 * Knows which addresses the name of a service has, so that connections to a place it has left are used no more.
 *
 * Without this, steady traffic would never follow a service that moves, since its connections are always in use. The
 * system's resolver does not tell for how long an answer holds, so the name is looked up again when half a minute is
 * over and a request comes. A name that cannot be looked up keeps the addresses that it had.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Scheduler } from '../lib/scheduler.ts'
import { type ConnectorOptions, hostOf } from './connector.ts'

export interface Whereabouts {
  /** @param address the other end of a connection; undefined for a Unix socket */
  isCurrent(address: string | undefined): boolean
}

type LookUp = (host: string) => Promise<readonly string[]>

const TTL_MS = 30_000
const EVERYWHERE: Whereabouts = { isCurrent: () => true }

export function whereabouts(
  { origin, socketPath }: Pick<ConnectorOptions, 'origin' | 'socketPath'>,
  scheduler: Scheduler,
  lookUp: LookUp = systemLookUp,
): Whereabouts {
  const { host } = hostOf(origin)
  if (socketPath !== undefined || isIP(host) !== 0 || /^(?:.*\.)?localhost\.?$/i.test(host)) return EVERYWHERE
  let addresses: ReadonlySet<string> | undefined
  let state: 'new' | 'fresh' | 'stale' | 'asking' = 'new'

  function freshen(): void {
    state = 'fresh'
    scheduler.after(TTL_MS, () => {
      state = 'stale'
    })
  }

  function ask(): void {
    state = 'asking'
    lookUp(host).then(
      found => {
        addresses = new Set(found.map(withoutZone))
        freshen()
      },
      () => freshen(),
    )
  }

  return {
    isCurrent(address) {
      // The first connection has just looked the name up.
      if (state === 'new') freshen()
      else if (state === 'stale') ask()
      return addresses === undefined || address === undefined || addresses.has(withoutZone(address))
    },
  }
}

async function systemLookUp(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/** Takes the zone off a link-local address of IPv6 (RFC 4007 §11): only one of the two sides names it. */
function withoutZone(address: string): string {
  const at = address.indexOf('%')
  return at === -1 ? address : address.slice(0, at)
}
