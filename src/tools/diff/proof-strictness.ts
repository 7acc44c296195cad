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
  type Compare,
  type Comparisons,
  type Difference,
  differencesOf,
  limitMs,
  noMatter,
  otherwise,
  type Pair,
  ranked,
} from './strictness.ts'

export function dpopDifferences(before: DpopConfig | undefined, after: DpopConfig | undefined): readonly Difference[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined)
    return [{ direction: 'loosened', text: 'now takes tokens that are bound to a key, with a DPoP proof' }]
  if (after === undefined) return [{ direction: 'tightened', text: 'no longer takes tokens that are bound to a key' }]
  return differencesOf(DPOP, before, after, { before, after })
}

const DPOP: Comparisons<DpopConfig, DpopConfig> = {
  baseUrls: anyOf,
  algorithms: anyOf,
  maxAge: byTheProofsTime(limitMs),
  clockTolerance: byTheProofsTime(limitMs),
  nonce: nonceDifferences,
  replay: (name, before, after) => differencesOf(REPLAY, before, after, { before, after }, `${name}.`),
}

/** Where proofs need a nonce before and after, that tells their age, and the time that they say is not looked at. */
function byTheProofsTime<Value>(compare: Compare<Value, DpopConfig>): Compare<Value, DpopConfig> {
  return (name, before, after, around) =>
    around.before.nonce !== undefined && around.after.nonce !== undefined ? [] : compare(name, before, after, around)
}

type NonceConfig = NonNullable<DpopConfig['nonce']>

function nonceDifferences(
  name: string,
  before: NonceConfig | undefined,
  after: NonceConfig | undefined,
): readonly Difference[] {
  if (before !== undefined && after !== undefined)
    return differencesOf(NONCE, before, after, { before, after }, `${name}.`)
  if (before !== undefined) return [{ direction: 'loosened', text: `${name}: no longer asked for` }]
  if (after === undefined) return []
  const text = `${name}: now asked for, in place of a time that fits \`maxAge\``
  return [{ direction: 'changed', text, witness: 'proofs with a nonce, whatever time they say' }]
}

const NONCE: Comparisons<NonceConfig> = {
  lifetime: limitMs,
  secretFile: otherwise,
}

type ReplayConfig = DpopConfig['replay']

const REPLAY: Comparisons<ReplayConfig, ReplayConfig> = {
  store: (name, before, after, around) =>
    ranked<boolean>({ true: 1, false: 0 })(name, before === true, after === true, around),
  whenUnavailable: (name, before, after, around) =>
    areShared(around)
      ? ranked<'refuse' | 'local'>({ refuse: 1, local: 0 })(name, before ?? 'refuse', after ?? 'refuse', around)
      : [],
  entries: noMatter('Where no more proofs can be remembered, further ones are refused.'),
}

/** Where one of the two shares no proofs, the row of the store tells of it. */
function areShared({ before, after }: Pair<ReplayConfig>): boolean {
  return before.store === true && after.store === true
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

/** Every process judges alike, but each has its own memory of proofs where the store does not share it. */
export function workerDifferences(old: Config, next: Config): readonly Difference[] {
  const areApart = [old, next].every(({ dpop }) => dpop !== undefined && dpop.replay.store !== true)
  if (!areApart || old.workers === next.workers) return []
  const direction = next.workers > old.workers ? 'loosened' : 'tightened'
  return [{ direction, text: `uses of one DPoP proof: ${old.workers} → ${next.workers}, one in each process` }]
}
