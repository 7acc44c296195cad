/**
 * Judges what `clientCertificate` and `listen.tls.clientCertificate` mean together with the other sections: whether
 * anybody shows certificates or names them, and whether that header is free.
 */
import { DEFAULT_IDENTITY_HEADERS } from '../../identity/header-lines.ts'
import { foldedFieldName } from '../../lib/field-name.ts'
import { askedCertificate } from '../schema/certificate-source.ts'
import type { Draft } from '../schema/draft.ts'
import type { ClientCertificateConfig } from '../schema/schema.ts'
import type { Finding } from './findings.ts'

export function certificateFindings(draft: Draft): readonly Finding[] {
  const { clientCertificate: block } = draft
  return [
    ...tlsFindings(draft),
    ...(block === undefined ? [] : [...sourceFindings(draft, block), ...nameFindings(draft, block)]),
  ]
}

function tlsFindings({ listen }: Draft): readonly Finding[] {
  const { clientCertificate, clientCaFile } = listen?.tls ?? {}
  if (clientCertificate === 'required' && clientCaFile === undefined) {
    const message = 'needs `clientCaFile`, which says whose certificates are good; add it, or write `optional` or `any`'
    return [{ path: ['listen', 'tls', 'clientCertificate'], message }]
  }
  if (clientCertificate === 'any' && clientCaFile !== undefined) {
    const message = 'has no effect with `clientCertificate: any`, whoever signed it; leave it out, or write `optional`'
    return [{ path: ['listen', 'tls', 'clientCaFile'], message, at: 'key' }]
  }
  return []
}

/** What a proxy shows on its connection to us is no certificate of a client, so nobody reads one that is optional. */
function unreadFindings({ listen }: Draft): readonly Finding[] {
  const asked = listen?.tls?.clientCertificate
  if (asked === undefined || asked === 'required') return []
  const message =
    'has no effect with `clientCertificate.from: header`; leave it out, or write `required`, so that proxies prove who they are'
  return [{ path: ['listen', 'tls', 'clientCertificate'], message }]
}

function sourceFindings(draft: Draft, block: ClientCertificateConfig): readonly Finding[] {
  const { listen } = draft
  const path = ['clientCertificate']
  if (block.from === 'header') {
    const { header, hops } = block
    const findings: Finding[] = [...unreadFindings(draft)]
    if (listen !== undefined && listen.trustedProxies.length === 0) {
      const message = 'needs `listen.trustedProxies`, since only proxies that are listed there are believed; list them'
      findings.push({ path: [...path, 'from'], message })
    }
    if (hops !== undefined && header !== 'X-Forwarded-Client-Cert') {
      const message =
        'counts elements of `X-Forwarded-Client-Cert`; leave it out, or write `header: X-Forwarded-Client-Cert`'
      findings.push({ path: [...path, 'hops'], message, at: 'key' })
    }
    return findings
  }
  const unread = (['header', 'hops', 'forward'] as const).filter(key => block[key] !== undefined)
  if (unread.length > 0) {
    const message = 'has no effect without `from: header`; add that, or leave it out'
    return unread.map(key => ({ path: [...path, key], message, at: 'key' }))
  }
  if (listen === undefined || askedCertificate(listen.tls) !== undefined) return []
  const message =
    'takes certificates from connections, on which none is asked for; add `listen.tls.clientCertificate`, or write `from: header`'
  return [{ path, message, at: 'key' }]
}

/** Refuses a name that is also that of a claim or of a token: one line cannot be both, and both are removed. */
function nameFindings({ identity, credentials, routes }: Draft, block: ClientCertificateConfig): readonly Finding[] {
  if (typeof block.header !== 'object') return []
  const folded = foldedFieldName(block.header.name)
  const at = { path: ['clientCertificate', 'header', 'name'] }
  const isIt = (name: string) => foldedFieldName(name) === folded
  const claims =
    identity?.headers === undefined ? DEFAULT_IDENTITY_HEADERS.map(({ name }) => name) : Object.keys(identity.headers)
  if (claims.some(isIt)) return [{ ...at, message: 'is the name of an identity header, too; choose another one' }]
  const sources = [...(credentials ?? []), ...[...routes.values()].flatMap(route => route.credentials ?? [])]
  if (sources.some(source => typeof source === 'object' && 'header' in source && isIt(source.header)))
    return [{ ...at, message: 'is the name of a header that brings tokens, too; choose another one' }]
  return []
}
