/**
 * Says which series a route can have: closed lists of methods and codes, and what of them its kind leaves possible.
 *
 * A series is known by its place in the lists, so that counting looks nothing up by name.
 */
import { DENIAL_CODES, type DenialCode, denialSpec } from '../errors.ts'
import { coveredMethods, METHODS } from '../route/methods.ts'

type RequestCode = 'ok' | DenialCode

/** The part of a route that decides which series it can have. */
export interface RouteKind {
  /** Undefined when it takes all methods. */
  readonly methods?: Iterable<string> | undefined
  readonly access: 'required' | 'optional' | 'public'
  readonly mode: 'enforce' | 'report'
}

/** Places in {@link REQUEST_SERIES} and {@link REPORT_SERIES}. */
export interface RouteSeries {
  readonly requests: Iterable<number>
  readonly reports: Iterable<number>
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

/** A public route never looks at a token, and a report-only one refuses nobody for it. */
export function routeSeries({ methods, access, mode }: RouteKind): RouteSeries {
  const served = methods === undefined ? METHOD_LABELS : coveredMethods(methods)
  if (access === 'public') return seriesOf(served, WITHOUT_TOKEN)
  if (mode === 'enforce') return seriesOf(served, OF_A_ROUTE)
  return seriesOf(
    served,
    OF_A_ROUTE.filter(code => !isReported(code)),
    OF_A_ROUTE.filter(isReportable),
  )
}

/** @returns the series of requests that match no route, or are refused before they are matched */
export function unmatchedSeries(): RouteSeries {
  return seriesOf(
    METHOD_LABELS,
    DENIAL_CODES.filter(code => denialSpec(code).beforeRoute !== undefined),
  )
}

const OF_A_ROUTE = DENIAL_CODES.filter(code => denialSpec(code).beforeRoute !== 'only')
const WITHOUT_TOKEN = OF_A_ROUTE.filter(code => denialSpec(code).withoutToken)

function isReportable(code: DenialCode): boolean {
  return denialSpec(code).reportable === true
}

/** True for a refusal that a report-only route never gives: it notes it instead, whatever may cause it. */
function isReported(code: DenialCode): boolean {
  return isReportable(code) && denialSpec(code).withoutToken === undefined
}

function seriesOf(
  methods: Iterable<string>,
  refusals: readonly DenialCode[],
  reports: readonly DenialCode[] = [],
): RouteSeries {
  const codes = ['ok', ...refusals] as const
  return {
    requests: [...methods].flatMap(method => codes.map(code => requestSeries(method, code))),
    reports: reports.map(reportSeries),
  }
}
