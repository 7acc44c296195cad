/**
 * Says what the console shows, as a few trees of nodes: what is refused and why comes first, then what may be the
 * reason of it. It holds no time that passes, so that a tree changes when what it tells has changed.
 */
import type { ConsoleFacts } from './facts.ts'
import { lastRefusals } from './last-refusals.ts'
import { type Element, html, moment, type Node, node, pairs } from './nodes.ts'
import { problemList } from './problems.ts'
import { refusalsByCode } from './refusals.ts'
import { configuration, providers } from './sources.ts'
import { count, rateText, shareText, shortSpan } from './texts.ts'
import { others, routes, timeSpent } from './traffic.ts'
import { sum } from './window.ts'

/** The parts of the page, in the order in which they stand. Each has an id of its own. */
export function view(facts: ConsoleFacts): readonly Element[] {
  return [
    state(facts),
    refusalsByCode(facts),
    lastRefusals(facts),
    providers(facts),
    configuration(facts),
    timeSpent(facts),
    routes(facts),
    others(facts),
  ]
}

/** Writes the whole page. @param edition tells the script whether a later view is one of the same page */
export function page([first, ...others]: readonly Element[], edition: string): string {
  return `<!doctype html>
<html lang="en" data-edition="${edition}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sallyport</title>
<link rel="stylesheet" href="/-/console.css">
<script type="module" src="/-/console.js"></script>
</head>
<body>
${html(BANNER)}
<main>
${first === undefined ? '' : html(first)}
${others.map(html).join('\n')}
</main>
${html(FOOTER)}
</body>
</html>
`
}

/** The picture beside the name shows a gate. */
const MARK = node(
  'svg',
  { class: 'mark', viewBox: '0 0 24 24', 'aria-hidden': 'true' },
  node('path', { d: 'M4 21V11a8 8 0 0 1 16 0v10M9.3 21V4M14.7 21V4M4 12h16M4 16.5h16' }),
)

const BANNER = node(
  'header',
  {},
  node('a', { class: 'skip', href: '#refused' }, 'Skip to the refusals'),
  node('h1', {}, MARK, 'Sallyport'),
  node(
    'div',
    { class: 'live controls' },
    node('p', { id: 'connection', role: 'status' }),
    node('button', { type: 'button', id: 'pause', 'aria-pressed': 'false' }, 'Pause'),
  ),
)

const FOOTER = node(
  'footer',
  {},
  node('p', {}, 'All of it, for programs: '),
  node(
    'nav',
    { 'aria-label': 'For programs' },
    node('a', { href: '/-/status' }, 'status'),
    node('a', { href: '/-/recent' }, 'refusals'),
    node('a', { href: '/metrics' }, 'metrics'),
  ),
)

function state(facts: ConsoleFacts): Element {
  const { status, readings, span } = facts
  const { totals, seconds } = span
  const refused = sum(totals.refused)
  const reported = sum(totals.reported)
  const passed = [...totals.routes.values()].reduce((all, route) => all + route.passed, 0)
  const requests = passed + refused
  return node(
    'section',
    { id: 'state', 'aria-label': 'State', class: status.ready ? 'ready' : 'unready' },
    node(
      'div',
      { class: 'standing' },
      node('p', { class: 'word' }, status.ready ? 'Ready' : 'Not ready'),
      node('p', { class: 'faint' }, ...startedNodes(status)),
    ),
    problemList(facts),
    pairs('figures', [
      [`Requests in ${shortSpan(seconds)}`, figure(count(requests), rateText(requests, seconds))],
      ['Refused', figure(count(refused), shareText(refused, requests))],
      ['Would be refused', reported === 0 ? undefined : figure(count(reported), 'only reported')],
      ['Under way', figure(count(readings.now.get('sallyport_requests_in_flight') ?? 0), 'now')],
    ]),
    refused === 0 || seconds < SHORTEST_CHART_SECONDS ? undefined : chart(span),
  )
}

/** Fewer bars than these say nothing that the number above does not. */
const SHORTEST_CHART_SECONDS = 60

function startedNodes({ version, started, workers }: ConsoleFacts['status']): readonly Node[] {
  const processes = workers === undefined ? '' : `, ${workers.length} workers`
  return [`Version ${version}${processes}, running since `, moment(started)]
}

function figure(number: string, note: string): readonly Node[] {
  return [node('strong', {}, number), ...(note === '' ? [] : [' ', node('small', {}, note)])]
}

/** So many steps are five minutes. */
const STEPS_OF_CHART = 20

/** Shows how refusals are spread over the time. Where the gateway did not run yet, nothing is drawn. */
function chart({ steps }: ConsoleFacts['span']): Element {
  const most = Math.max(...steps)
  return node(
    'figure',
    { class: 'chart' },
    bars(steps, most),
    node(
      'figcaption',
      {},
      node('span', {}, '5 min ago'),
      node('span', {}, `Refused per 15 s, at most ${count(most)}`),
      node('span', {}, 'now'),
    ),
  )
}

function bars(steps: readonly number[], most: number): Node {
  const width = 100 / Math.max(steps.length, STEPS_OF_CHART)
  const gap = width * 0.12
  const drawn = steps.map((step, at) => {
    const height = step === 0 ? 3 : Math.max((step / most) * 100, 8)
    return node('rect', {
      x: `${(100 - (steps.length - at) * width + gap).toFixed(2)}%`,
      y: `${(100 - height).toFixed(1)}%`,
      width: `${(width - gap).toFixed(2)}%`,
      height: `${height.toFixed(1)}%`,
      rx: '2',
    })
  })
  return node('svg', { class: 'bars', 'aria-hidden': 'true' }, ...drawn)
}
