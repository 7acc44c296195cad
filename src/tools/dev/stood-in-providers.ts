/**
 * Lets the embedded issuer stand in for the providers of a configuration: what a token has to say stays as it is
 * written, and what proves it comes from the embedded issuer.
 *
 * So a policy need not be edited to be tried: `iss`, audiences and claims are those of the file. Keys, secrets, and
 * addresses of the real servers are replaced, since none of them need be there.
 */
import type { DevParts, StandInNote } from './dev-parts.ts'
import { isMap, type RawMap, without } from './raw-value.ts'

/** With one of these the embedded issuer signs. */
const SIGNATURES = ['RS256', 'ES256', 'EdDSA']

type Note = (key: string, text: string) => void

/** @param login names the host at which browsers find the gateway for this provider's sessions */
export function stoodInProvider(
  provider: RawMap,
  parts: DevParts,
  { id, login, notes }: { readonly id: string; readonly login: string; readonly notes: StandInNote[] },
): RawMap {
  const change = typeof provider.type === 'string' && Object.hasOwn(CHANGES, provider.type) && CHANGES[provider.type]
  const note: Note = (key, text) => notes.push({ at: `providers.${id}${key}`, text })
  return change ? change(provider, parts, { id, login, note }) : provider
}

type Change = (
  provider: RawMap,
  parts: DevParts,
  of: { readonly id: string; readonly login: string; readonly note: Note },
) => RawMap

const CHANGES: Readonly<Record<string, Change>> = {
  jwt(provider, { issuerUrl }, { note }) {
    const keys = isMap(provider.keys) ? provider.keys : {}
    note('.keys', `those of the embedded issuer, for \`iss\` as it is written${keys.secretFile ? '; no secret' : ''}`)
    const written = Array.isArray(provider.algorithms) ? provider.algorithms : undefined
    const algorithms = written?.filter(each => SIGNATURES.includes(each))
    const isReplaced = written !== undefined && algorithms?.length === 0
    if (isReplaced) note('.algorithms', `RS256, in place of ${written.join(', ')}`)
    if (provider.decryption !== undefined) note('.decryption', 'left out: tokens made here are not encrypted')
    return {
      ...without(provider, 'decryption', 'algorithms'),
      ...(written !== undefined && { algorithms: isReplaced ? ['RS256'] : algorithms }),
      keys: { jwksUri: `${issuerUrl}/jwks` },
    }
  },
  introspection(provider, { issuerUrl, secretFile }, { id, note }) {
    note('.endpoint', 'the embedded issuer, which knows the tokens that it made')
    const signed = provider.response === 'jwt'
    if (signed) note('.response', '`json`: answers made here are not signed')
    return {
      ...without(provider, 'response', 'keys', 'decryption', 'caFile'),
      endpoint: `${issuerUrl}/demo/introspection/${encodeURIComponent(id)}`,
      client: { auth: 'bearer', tokenFile: secretFile },
    }
  },
  spiffe(provider, { issuerUrl }, { note }) {
    note('.bundle', 'that of the embedded issuer, for the trust domain as it is written')
    return { ...provider, bundle: { url: `${issuerUrl}/demo/spiffe-bundle` } }
  },
  session(provider, parts, { id, login, note }) {
    const { gatewayPort, issuerUrl, secretFile, sessionKeyFile } = parts
    const publicUrl = `http://${login}:${gatewayPort}`
    note('', `people sign in at the embedded issuer, under any name, at ${publicUrl}`)
    if (provider.store === 'shared') note('.store', '`memory`: sessions are those of this process')
    return {
      ...without(provider, 'resource', 'hosts', 'caFile', 'store', 'allowOrigins'),
      issuer: issuerUrl,
      client: { auth: 'basic', id: loginClientId(id), secretFile },
      publicUrl,
      keyFiles: [sessionKeyFile],
    }
  },
}

/** What the provider of sessions is called at the embedded issuer. */
export function loginClientId(provider: string): string {
  return `login-${provider}`
}
