/** Says whose forwarding headers are believed: the same for client addresses, traces, limits and what is forwarded. */
import { trustedProxies } from '../downstream/client-address.ts'
import type { Config } from './schema/schema.ts'

export function believedProxies({ listen }: Pick<Config, 'listen'>): ReturnType<typeof trustedProxies> {
  return trustedProxies(listen?.trustedProxies ?? [])
}
