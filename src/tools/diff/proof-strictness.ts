/**
 * Compares how proofs of possession are judged.
 *
 * A new key needs a row here. Without the section `dpop`, tokens that are bound to a key are refused, and so are those
 * that are bound to a certificate, without a place where certificates come from.
 */
import { certificateSource } from '../../config/schema/certificate-source.ts'
import type { Config, DpopConfig } from '../../config/schema/schema.ts'
import {
  another,
  anyOf,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  otherwise,
  ranked,
} from './strictness.ts'

export function dpopDifferences(before: DpopConfig | undefined, after: DpopConfig | undefined): readonly Difference[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined)
    return [{ direction: 'loosened', text: 'now takes tokens that are bound to a key, with a DPoP proof' }]
  if (after === undefined) return [{ direction: 'tightened', text: 'no longer takes tokens that are bound to a key' }]
  return differencesOf(DPOP, before, after, { before, after })
}

const DPOP: Comparisons<DpopConfig> = {
  baseUrls: anyOf,
  algorithms: anyOf,
  maxAge: limitMs,
  clockTolerance: limitMs,
  nonce: (name, before, after) => {
    if (before === undefined && after === undefined) return []
    if (before === undefined) return [{ direction: 'tightened', text: `${name}: now asked for` }]
    if (after === undefined) return [{ direction: 'loosened', text: `${name}: no longer asked for` }]
    return [
      ...limitMs(`${name}.lifetime`, before.lifetime, after.lifetime),
      ...otherwise(`${name}.secretFile`, before.secretFile, after.secretFile),
    ]
  },
  replay: (name, before, after, around) => [
    ...ranked({ true: 1, false: 0 })(`${name}.store`, before.store === true, after.store === true, around),
    ...ranked({ refuse: 1, local: 0 })(
      `${name}.whenUnavailable`,
      before.whenUnavailable,
      after.whenUnavailable,
      around,
    ),
  ],
}

/** Whether connections bring certificates is compared at `listen.tls`. */
export function certificateDifferences(old: Config, next: Config): readonly Difference[] {
  const [before, after] = [old, next].map(({ listen, clientCertificate }) =>
    certificateSource(listen, clientCertificate),
  )
  if (before?.from !== 'header' && after?.from !== 'header') return []
  if (before === undefined)
    return [{ direction: 'loosened', text: 'now takes tokens that are bound to the certificate in a header' }]
  if (after === undefined)
    return [{ direction: 'tightened', text: 'no longer takes tokens that are bound to a certificate' }]
  if (before.from === 'header' && after.from === 'header')
    return differencesOf(CERTIFICATE_HEADER, before, after, { before, after })
  const witness =
    after.from === 'header' ? 'whoever a trusted proxy names the certificate of' : 'whoever shows a certificate to us'
  return [{ direction: 'changed', text: `from: ${before.from} → ${after.from}`, witness }]
}

const CERTIFICATE_HEADER: Comparisons<Extract<ReturnType<typeof certificateSource>, { readonly from: 'header' }>> = {
  from: () => [],
  header: another,
  // The service may believe what only a proxy should say.
  forward: ranked({ true: 0, false: 1 }),
}
