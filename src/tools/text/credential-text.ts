/** Says in words where a token may come from, and keeps tokens from being shown that came from such a place. */
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { CredentialSource } from '../../types.ts'

/** Returns the places that a route reads. */
export function sourcesOf(
  route: Pick<RouteConfig, 'credentials'> | undefined,
  config: Config,
): readonly CredentialSource[] {
  return route?.credentials ?? config.credentials ?? ['authorization']
}

/** Returns every place that the file names besides `Authorization`. */
export function otherPlaces({ credentials = [], routes }: Config): ReadonlyArray<Exclude<CredentialSource, string>> {
  return [...credentials, ...routes.flatMap(route => route.credentials ?? [])].filter(
    source => typeof source === 'object',
  )
}

export function sourceText(source: CredentialSource): string {
  if (source === 'authorization') return 'Authorization'
  if ('header' in source) return `header ${source.header}`
  if ('websocketProtocol' in source) return `subprotocol ${source.websocketProtocol}`
  return `parameter ${source.query}`
}
