/** Says where the metadata of a protected resource are. RFC 9728 §3.1 (the well-known URL). */
import type { ResourceConfig } from './schema.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** Where the metadata are, whatever the path of the resource, while there is only one. */
export const BARE_METADATA_PATH = WELL_KNOWN

/** @returns the path of the metadata, which stands between the host and the path of the resource */
export function metadataPath({ url }: Pick<ResourceConfig, 'url'>): string {
  const path = url.slice(new URL(url).origin.length)
  return path === '/' ? WELL_KNOWN : WELL_KNOWN + path
}

/** It is made of the configuration alone: a client that is lured by `Host` would bring its token to somebody else. */
export function metadataUrl(resource: Pick<ResourceConfig, 'url'>): string {
  return new URL(resource.url).origin + metadataPath(resource)
}
