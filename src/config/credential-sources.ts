/** Says where the file has tokens looked for, on one route or on any, and by which rules they are read. */
import { isDeepStrictEqual } from 'node:util'
import { credentialReader } from '../authenticate/credential-places.ts'
import type { CredentialRules, CredentialSource } from '../types.ts'
import type { Config, RouteConfig } from './schema/schema.ts'

const ONLY_AUTHORIZATION: readonly CredentialSource[] = ['authorization']

/** Every place that the file names for a token, on whichever route. */
export function credentialSources({ credentials = [], routes }: Config): readonly CredentialSource[] {
  return [...credentials, ...routes.flatMap(route => route.credentials ?? [])]
}

/** The places on one route: its own, or else those of the file. */
export function routeSources(
  { credentials }: Pick<RouteConfig, 'credentials'>,
  config: Pick<Config, 'credentials'>,
): readonly CredentialSource[] {
  return credentials ?? config.credentials ?? ONLY_AUTHORIZATION
}

/** @returns undefined where `Authorization` alone is read, which needs no reader of its own */
export function readerOf(
  sources: readonly CredentialSource[],
  config: Config,
): ReturnType<typeof credentialReader> | undefined {
  return isDeepStrictEqual(sources, ONLY_AUTHORIZATION) ? undefined : credentialReader(sources, credentialRules(config))
}

export function credentialRules({ limits, dpop }: Config): CredentialRules {
  return { tokenBytes: limits.tokenBytes, takesProofs: dpop !== undefined }
}
