/** Puts a token into a request where its route looks for one, as a client of that route would. */
import type { CredentialSource, RequestFacts } from '../../types.ts'

/**
 * Puts a token into a request together with the proof for it (RFC 9449 §7.1). Where the route does not read
 * `Authorization`, which alone can say that there is one, the proof is of no use.
 */
export function presentedWithProof(
  facts: RequestFacts,
  token: string,
  sources: readonly CredentialSource[],
  proof: string,
): RequestFacts {
  const request = { ...facts, rawHeaders: [...facts.rawHeaders, 'DPoP', proof] }
  if (!sources.includes('authorization')) return presented(request, token, sources)
  return { ...request, rawHeaders: [...request.rawHeaders, 'Authorization', `DPoP ${token}`] }
}

/** @param sources the places that the route reads; the first that such a request may use gets the token */
export function presented(facts: RequestFacts, token: string, sources: readonly CredentialSource[]): RequestFacts {
  const source = sources.find(each => typeof each === 'string' || !('query' in each) || each.only === undefined)
  const { rawHeaders, target } = facts
  const withLine = (name: string, value: string) => ({ ...facts, rawHeaders: [...rawHeaders, name, value] })
  if (source === undefined) {
    // Only a parameter for some requests is left, so this one becomes a request that may use it.
    const [first] = sources
    if (typeof first !== 'object' || !('query' in first)) return facts
    const line = first.only?.includes('eventStream') ? ['Accept', 'text/event-stream'] : ['Upgrade', 'websocket']
    return { ...facts, rawHeaders: [...rawHeaders, ...line], target: withParameter(target, first.query, token) }
  }
  if (source === 'authorization') return withLine('Authorization', `Bearer ${token}`)
  if ('header' in source) return withLine(source.header, token)
  if ('query' in source) return { ...facts, target: withParameter(target, source.query, token) }
  const { websocketProtocol: name } = source
  return withLine(
    'Sec-WebSocket-Protocol',
    name.startsWith('base64url.') ? `${name}.${Buffer.from(token).toString('base64url')}` : `${name}, ${token}`,
  )
}

function withParameter(target: string, name: string, token: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(token)}`
}
