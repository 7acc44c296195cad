/** Says where a provider of sessions answers: below its `paths`, on the traffic listener. */
import type { ProviderConfigs } from './by-provider-type.ts'

/** What browsers come to. Logout tokens of the provider arrive beside these. */
export const SESSION_ENDPOINTS = ['login', 'callback', 'logout', 'session'] as const
export type SessionEndpoint = (typeof SESSION_ENDPOINTS)[number]

const BACKCHANNEL_LOGOUT = 'backchannel-logout' as const

type Paths = Pick<ProviderConfigs['session'], 'paths'>

export function sessionPath({ paths }: Paths, name: SessionEndpoint | typeof BACKCHANNEL_LOGOUT): string {
  return `${paths}/${name}`
}

/** All of them. */
export function sessionPaths(provider: Paths): readonly string[] {
  return ([...SESSION_ENDPOINTS, BACKCHANNEL_LOGOUT] as const).map(name => sessionPath(provider, name))
}
