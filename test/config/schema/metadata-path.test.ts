/** Tests where the metadata of a resource are: between its host and its path (RFC 9728 §3.1). */
import { expect, test } from 'vitest'
import { metadataPath, metadataUrl } from '../../../src/config/schema/metadata-path.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

test.each([
  ['https://a.example', WELL_KNOWN],
  ['https://a.example/', WELL_KNOWN],
  ['https://a.example/mcp', `${WELL_KNOWN}/mcp`],
  ['https://a.example/mcp/', `${WELL_KNOWN}/mcp/`],
  ['https://a.example:8443/a/b', `${WELL_KNOWN}/a/b`],
  ['https://a.example/caf%C3%A9', `${WELL_KNOWN}/caf%C3%A9`],
])('%s has its metadata at %s', (url, path) => {
  expect(metadataPath({ url })).toBe(path)
  expect(metadataUrl({ url })).toBe(`${new URL(url).origin}${path}`)
})
