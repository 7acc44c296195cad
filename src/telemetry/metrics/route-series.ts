/**
 * Says which series a route can have, closed lists of methods and codes, and which of them it has from the start.
 *
 * A series is known by its place in the lists, so that counting looks nothing up by name. Refusals by route and method
 * are shown from the first of their kind: nearly all of them never happen, and all of them together would be hundreds
 * of series for each route. What has to be seen from its first event is `refusals_total`.
 */
import { DENIAL_CODES, type DenialCode, denialSpec } from '../../errors.ts'
import { OTHER_TOOL } from '../../mcp/call-judge.ts'
import { coveredMethods, METHODS } from '../../route/methods.ts'
import type { ConditionOutcome, PreflightResult } from '../../types.ts'

type RequestCode = 'ok' | DenialCode

/** The part of a route that decides which series it can have. */
export interface RouteKind {
  /** Undefined when it takes all methods. */
  readonly methods?: Iterable<string> | undefined
  readonly access: 'required' | 'optional' | 'public'
  readonly mode: 'enforce' | 'report'
  /** Undefined where no calls of tools are judged. */
  readonly mcp?: { readonly tools?: Readonly<Record<string, unknown>> | undefined } | undefined
  /** What it asks: conditions are counted where there are some. */
  readonly require?: { readonly when?: readonly unknown[] | undefined } | undefined
  /** Whether it answers preflights. */
  readonly answersPreflights?: boolean | undefined
}

/** Places in {@link REQUEST_SERIES} and {@link REPORT_SERIES}. */
export interface RouteSeries {
  readonly requests: Iterable<number>
  readonly reports: Iterable<number>
  readonly preflights: Iterable<number>
  readonly conditions: Iterable<number>
  /** The tools whose calls are shown from the start. */
  readonly tools: readonly string[]
}

const OTHER = 'OTHER'
/** Any method that is not listed is one label, so that a client cannot make series. */
const METHOD_LABELS: readonly string[] = [...METHODS, OTHER]
const CODES: readonly RequestCode[] = ['ok', ...DENIAL_CODES]

/** Labels of every series of `requests_total` and `report_denials_total` that a route could ever have. */
export const REQUEST_SERIES = METHOD_LABELS.flatMap(method => CODES.map(code => ({ method, code })))
export const REPORT_SERIES = DENIAL_CODES.map(code => ({ code }))

const methodPlaces = new Map(METHOD_LABELS.map((method, index) => [method, index * CODES.length]))
const otherPlace = methodPlaces.get(OTHER) ?? 0
const codePlaces = new Map(CODES.map((code, index) => [code, index]))

export function requestSeries(method: string, code: RequestCode): number {
  return (methodPlaces.get(method) ?? otherPlace) + (codePlaces.get(code) ?? 0)
}

export function reportSeries(code: DenialCode): number {
  return DENIAL_CODES.indexOf(code)
}

export const CONDITION_OUTCOMES = Object.keys({
  true: true,
  false: true,
  error: true,
} satisfies Record<ConditionOutcome, true>)

export const PREFLIGHT_RESULTS = Object.keys({
  allowed: true,
  refused: true,
} satisfies Record<PreflightResult, true>)

/** Labels of every series that one tool could ever have. */
export const CALL_SERIES = CODES.map(code => ({ code }))

export function callSeries(code: RequestCode): number {
  return codePlaces.get(code) ?? 0
}

/** A route has `ok` for each of its methods from the start, and one that only reports has what it can report. */
export function routeSeries({ methods, access, mode, mcp, require, answersPreflights }: RouteKind): RouteSeries {
  const served = methods === undefined ? METHOD_LABELS : labelsOf(coveredMethods(methods))
  return {
    requests: [...served].map(method => requestSeries(method, 'ok')),
    reports: access === 'public' || mode === 'enforce' ? [] : REPORTABLE.map(reportSeries),
    preflights: answersPreflights === true ? PREFLIGHT_RESULTS.keys() : [],
    conditions: require?.when === undefined ? [] : CONDITION_OUTCOMES.keys(),
    tools: mcp?.tools === undefined ? [] : [...Object.keys(mcp.tools), OTHER_TOOL],
  }
}

function labelsOf(methods: ReadonlySet<string>): Iterable<string> {
  return new Set([...methods].map(method => (methodPlaces.has(method) ? method : OTHER)))
}

/** The series of requests that match no route, or are refused before they are matched: each is a refusal. */
export const UNMATCHED_SERIES: RouteSeries = {
  requests: [],
  reports: [],
  preflights: [],
  conditions: [],
  tools: [],
}

const REPORTABLE = DENIAL_CODES.filter(code => {
  const { reportable, beforeRoute } = denialSpec(code)
  return reportable === true && beforeRoute !== 'only'
})
