/** Shows what becomes of requests: the time they take here and in the service, the routes, and what is held open. */

import { asked } from './asked.ts'
import type { ConsoleFacts } from './facts.ts'
import { limitTable } from './limits.ts'
import { code, type Element, filter, moment, type Node, node, nothing, pairs, section, table } from './nodes.ts'
import { count, durationText, shareText, sizeText, spanText } from './texts.ts'
import { type Histogram, type Quantile, quantile, sum } from './window.ts'

const TIME_COLUMNS = [
  { title: 'Time' },
  { title: 'p50', kind: 'number' },
  { title: 'p99', kind: 'number' },
  { title: '10 µs to 10 s', kind: 'wide' },
  { title: 'Requests', kind: 'number' },
] as const

export function timeSpent({ span: { totals, seconds } }: ConsoleFacts): Element {
  const rows = [timeRow('Added by Sallyport', totals.added), timeRow('Taken by the service', totals.service)]
  const isIdle = quantile(0.5, totals.added) === undefined
  return section(
    'time',
    'Where the time goes',
    spanText(seconds),
    isIdle ? nothing(`No request ended in ${spanText(seconds)}.`) : table('times', TIME_COLUMNS, rows),
  )
}

function timeRow(name: string, durations: Histogram) {
  const [half, most] = [quantile(0.5, durations), quantile(0.99, durations)]
  return {
    key: name,
    cells: [
      name,
      half && quantileText(half),
      most && quantileText(most),
      half && most && range(half.seconds, most.seconds),
      count(durations.counts.at(-1) ?? 0),
    ],
  }
}

function quantileText({ seconds, isAtLeast }: Quantile): string {
  return isAtLeast ? `more than ${durationText(seconds)}` : durationText(seconds)
}

/** Half and 99 of 100 as a bar on a scale whose steps are powers of ten. */
function range(half: number, most: number): Element {
  const place = (seconds: number): number => Math.min(Math.max(((Math.log10(seconds) + 5) * 100) / 6, 0), 100)
  const [from, to] = [place(half), place(most)]
  const lines = [1, 2, 3, 4, 5].map(at =>
    node('rect', { class: 'step', x: `${((at * 100) / 6).toFixed(1)}%`, width: '1', height: '100%' }),
  )
  const rect = {
    x: `${from.toFixed(1)}%`,
    width: `${Math.max(to - from, 1.5).toFixed(1)}%`,
    height: '8',
    y: '4',
    rx: '4',
  }
  return node('svg', { class: 'range', 'aria-hidden': 'true' }, ...lines, node('rect', rect))
}

/** More rows are slow to read and to draw; the others have the fewest requests. */
const MOST_ROUTES = 50

const ROUTE_COLUMNS = [
  { title: 'Route' },
  { title: 'Takes', kind: 'wide' },
  { title: 'Asks for', kind: 'wide' },
  { title: 'Passed', kind: 'number' },
  { title: 'Refused', kind: 'number' },
  { title: 'Since the start', kind: 'number' },
] as const

export function routes({ status, span: { totals, seconds }, readings }: ConsoleFacts): Element {
  const all = status.routes
    .map(route => {
      const { passed, refused } = totals.routes.get(route.id) ?? NONE
      const ever = readings.routes.get(route.id) ?? NONE
      return { route, passed, refused, ever: ever.passed + ever.refused }
    })
    .toSorted((one, other) => other.passed + other.refused - one.passed - one.refused || other.ever - one.ever)
  const rows = all.slice(0, MOST_ROUTES).map(({ route, passed, refused, ever }) => ({
    key: route.id,
    cells: [
      filter('route', route.id, route.id),
      [
        node(
          'p',
          { class: 'target' },
          ...(route.methods === 'all' ? [] : [node('b', {}, route.methods.join(' ')), ' ']),
          code(route.path),
        ),
        node('p', { class: 'faint' }, `to ${route.upstream}`),
      ],
      [
        ...asked(route.asks, route.access),
        ...(route.mode === 'report' ? [node('p', {}, node('span', { class: 'mark doubtful' }, 'only reports'))] : []),
      ],
      count(passed),
      refused === 0 ? '0' : [count(refused), ' ', node('small', {}, shareText(refused, passed + refused))],
      count(ever),
    ],
  }))
  const left = all.length - rows.length
  return section(
    'routes',
    'Routes',
    spanText(seconds),
    table('routes', ROUTE_COLUMNS, rows),
    ...(left === 0
      ? []
      : [
          node(
            'p',
            { class: 'nothing' },
            `${count(left)} more routes have fewer requests; `,
            node('a', { href: '/-/status' }, 'the status'),
            ' has all of them.',
          ),
        ]),
  )
}

const NONE = { passed: 0, refused: 0 }

export function others(facts: ConsoleFacts): Element {
  const {
    status,
    readings,
    span: { totals },
  } = facts
  const { revocation, proofs, audit, decide, signing, workers } = status
  const ended = [...readings.streamsEnded].filter(([, number]) => number > 0)
  const lookups = sum(totals.lookups)
  const gauge = (name: string): number | undefined => readings.now.get(name)
  const [memory, lag] = [gauge('process_resident_memory_bytes'), gauge('nodejs_eventloop_lag_p99_seconds')]
  return section(
    'others',
    'Streams, caches and limits',
    '',
    pairs('facts', [
      [
        'Streams that were ended',
        ended.length === 0
          ? 'none since the start'
          : ended.map(([reason, number]) => `${count(number)} ${reason}`).join(', '),
      ],
      [
        'Verified tokens held',
        `${count(gauge('sallyport_token_cache_entries') ?? 0)}${
          lookups === 0 ? '' : `; ${shareText(totals.lookups.get('hit') ?? 0, lookups) || 'none'} of the look-ups hit`
        }`,
      ],
      ['Revocations', revocation && revocationNodes(revocation)],
      [
        'Proofs remembered',
        proofs &&
          `${count(proofs.remembered)} of ${count(proofs.entries)}${
            proofs.shared === undefined
              ? ''
              : proofs.shared
                ? ', shared by the store'
                : `, not shared: ${proofs.last_error ?? 'the store is away'}`
          }`,
      ],
      ['Audit log', audit && auditNodes(audit)],
      ['Decides for', decide?.caller],
      ['Internal tokens', signing && signingNodes(signing)],
      ['Memory', memory === undefined ? undefined : sizeText(memory)],
      ['Event loop, p99', lag === undefined || !Number.isFinite(lag) ? undefined : `${durationText(lag)} late`],
      ['Workers', workers?.map(({ pid, ready }) => `${pid}${ready ? '' : ' (not ready)'}`).join(', ')],
    ]),
    ...limitTable(facts),
  )
}

function auditNodes({ file, state, last_error: lastError, queued }: NonNullable<ConsoleFacts['status']['audit']>) {
  const told = [code(file), state === 'ok' ? ' is written' : ' cannot be written', `; ${count(queued)} waiting`]
  return lastError === undefined ? told : [...told, node('span', { class: 'bad' }, `; ${lastError}`)]
}

function signingNodes(signing: NonNullable<ConsoleFacts['status']['signing']>): readonly Node[] {
  const { kid, algorithm, since, next_rotation: next, published, last_error: lastError } = signing
  return [
    `signed with ${algorithm} by `,
    code(kid),
    ', published ',
    moment(since),
    ...(next === undefined ? [] : ['; another key from ', moment(next)]),
    `; ${count(published.length)} published`,
    ...(lastError === undefined ? [] : [node('span', { class: 'bad' }, `; the folder ${lastError}`)]),
  ]
}

function revocationNodes(revocation: NonNullable<ConsoleFacts['status']['revocation']>): readonly Node[] {
  const { state, entries, last_success: lastSuccess, last_error: lastError } = revocation
  const byKind = Object.entries(entries).map(([kind, number]) => `${count(Number(number))} by ${kind}`)
  return [
    `${state}: ${byKind.join(', ')}`,
    ...(lastSuccess === undefined ? [] : ['; heard ', moment(lastSuccess)]),
    ...(lastError === undefined ? [] : [node('span', { class: 'bad' }, `; ${lastError}`)]),
  ]
}
