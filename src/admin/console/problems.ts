/** Says what is wrong with the gateway now, a line each: what makes it not ready comes first. */
import type { ConsoleFacts } from './facts.ts'
import { type Element, moment, type Node, node } from './nodes.ts'
import { count, spanText } from './texts.ts'

interface Problem {
  /** Bad is what refuses requests, or would after a restart; doubtful is what may come to that. */
  readonly kind: 'bad' | 'doubtful'
  /** Where the page tells more. */
  readonly part: string
  readonly text: readonly Node[]
}

export function problemList(facts: ConsoleFacts): Element | undefined {
  const problems = problemsOf(facts)
  if (problems.length === 0) return undefined
  return node(
    'ul',
    { class: 'problems' },
    ...problems.map(({ kind, part, text }) => node('li', { class: kind }, node('a', { href: `#${part}` }, ...text))),
  )
}

function problemsOf(facts: ConsoleFacts): readonly Problem[] {
  const { reasons } = facts.status
  return [
    ...reasons.map(reason => ({ kind: 'bad', part: partOf(reason), text: [reason] }) as const),
    ...ofConfiguration(facts),
    ...ofAudit(facts),
    ...ofSigning(facts),
    ...ofExchanges(facts),
    ...ofStores(facts),
    ...ofRevocations(facts),
    ...ofProviders(facts),
    ...ofTraces(facts),
  ]
}

function partOf(reason: string): string {
  return reason.startsWith('revocations') ? 'others' : 'providers'
}

function ofConfiguration({ status: { config } }: ConsoleFacts): readonly Problem[] {
  if (config.last_rejected === undefined) return []
  const text = ['The last configuration was rejected ', moment(config.last_rejected.at), '; the one before is in force']
  return [{ kind: 'bad', part: 'configuration', text }]
}

function ofAudit({ status: { audit }, span: { totals, seconds } }: ConsoleFacts): readonly Problem[] {
  const dropped = totals.auditRecords.get('dropped') ?? 0
  return [
    ...(audit?.state === 'failing'
      ? [problem('bad', 'others', `Audit records cannot be written${because(audit.last_error)}`)]
      : []),
    ...(dropped > 0
      ? [problem('bad', 'others', `${count(dropped)} audit records were dropped in ${spanText(seconds)}`)]
      : []),
  ]
}

function ofExchanges({ status: { exchange = [] } }: ConsoleFacts): readonly Problem[] {
  return exchange
    .filter(({ last_error }) => last_error !== undefined)
    .map(({ upstream, last_error }) => problem('bad', 'others', `No tokens can be had for ${upstream}: ${last_error}`))
}

function ofSigning({ status: { signing } }: ConsoleFacts): readonly Problem[] {
  if (signing?.last_error === undefined) return []
  return [problem('bad', 'others', `The signing keys cannot all be read: the folder ${signing.last_error}`)]
}

function ofStores({ status: { providers, proofs, revocation, limits }, readings }: ConsoleFacts): readonly Problem[] {
  if (readings.now.get('sallyport_store_up') !== 0) return []
  const errors = [
    ...providers.map(({ sessions }) => sessions?.store_error),
    proofs?.last_error,
    revocation?.last_error,
    ...(limits ?? []).map(limit => limit.last_error),
  ].filter(error => error !== undefined)
  return [problem('bad', 'others', `The store cannot be used${because(errors[0])}`)]
}

function ofRevocations({ status: { revocation, reasons } }: ConsoleFacts): readonly Problem[] {
  if (revocation === undefined || revocation.state === 'fresh') return []
  if (reasons.some(reason => partOf(reason) === 'others')) return []
  return [problem('doubtful', 'others', `Revocations are ${revocation.state}${because(revocation.last_error)}`)]
}

function ofProviders({ status: { providers } }: ConsoleFacts): readonly Problem[] {
  return providers
    .filter(({ usable, last_error: lastError }) => usable && lastError !== undefined)
    .map(({ id, keys, last_success: lastSuccess, last_error: lastError }) => ({
      kind: 'doubtful',
      part: 'providers',
      text: [
        `Provider ${id} could not be ${keys === undefined ? 'asked' : 'asked for its keys'}`,
        ...(lastSuccess === undefined ? [] : [' since ', moment(lastSuccess)]),
        because(lastError),
      ],
    }))
}

function ofTraces({ span: { totals, seconds } }: ConsoleFacts): readonly Problem[] {
  const [failed = 0, dropped = 0] = [totals.traceSpans.get('failed'), totals.traceSpans.get('dropped')]
  if (failed + dropped === 0) return []
  const told = [
    ...(failed > 0 ? [`${count(failed)} could not be sent`] : []),
    ...(dropped > 0 ? [`${count(dropped)} were dropped`] : []),
  ]
  return [problem('doubtful', 'others', `Spans of traces: ${told.join(' and ')} in ${spanText(seconds)}`)]
}

function problem(kind: Problem['kind'], part: string, text: string): Problem {
  return { kind, part, text: [text] }
}

function because(error: string | undefined): string {
  return error === undefined ? '' : `: ${error}`
}
