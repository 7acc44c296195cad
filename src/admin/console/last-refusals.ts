/**
 * Shows the last refusals, a line each, which opens to what was wanted and seen and to how one looks into it.
 *
 * Refusals of one kind that follow one another are a block. A line of its own opens a block: that line is a `details`
 * beside the list of its refusals, and not around it, so that a refusal which somebody has open need not move when the
 * next one of its kind makes a block of it.
 */
import { denialSpec } from '../../errors.ts'
import type { RecentRefusal } from '../recent.ts'
import { evidenceNodes, inShort } from './evidence.ts'
import type { ConsoleFacts } from './facts.ts'
import { type Fold, folded } from './folds.ts'
import {
  chip,
  code,
  copyButton,
  type Element,
  filter,
  moment,
  type Node,
  node,
  nothing,
  pairs,
  section,
  typed,
} from './nodes.ts'
import { count, shortSpan } from './texts.ts'

/** A page of more is slow to read, and to load through a tunnel. */
const MOST_BLOCKS = 50
const MOST_IN_BLOCK = 10

const TITLES = ['When', 'Refusal', 'Request', 'Wanted and seen', 'Caller']

export function lastRefusals({ recent }: ConsoleFacts): Element {
  const all = folded(recent)
  const shown = all.slice(0, MOST_BLOCKS)
  if (shown.length === 0)
    return section('recent', 'Last refusals', '', nothing('No refusal is remembered since the start.'))
  return section(
    'recent',
    'Last refusals',
    all.length > shown.length ? `the newest ${shown.length}, repeats as one` : 'newest first, repeats as one',
    node(
      'p',
      { class: 'live filtering' },
      node('span', { id: 'filter', role: 'status', 'data-own': '' }),
      node('button', { type: 'button', id: 'unfilter' }, 'Show all'),
    ),
    node('p', { class: 'line titles', 'aria-hidden': 'true' }, ...TITLES.map(title => node('span', {}, title))),
    node('ol', { class: 'recent' }, ...shown.map(block)),
    node(
      'p',
      { class: 'live more' },
      node('button', { type: 'button', id: 'more', 'data-own': '' }, 'Show older ones'),
    ),
  )
}

function block(fold: Fold): Element {
  const { kind, refusals } = fold
  const [newest] = refusals
  const shown = refusals.slice(0, MOST_IN_BLOCK)
  const left = refusals.length - shown.length
  return node(
    'li',
    {
      // The oldest one names the block, because newer ones may join it.
      'data-key': keyOf(refusals.at(-1) ?? newest),
      'data-kind': kind,
      'data-code': newest.code,
      'data-route': newest.route,
      'data-count': String(refusals.length),
      class: 'block',
    },
    refusals.length === 1 ? undefined : node('details', { class: 'fold', 'data-key': 'fold' }, foldLine(fold)),
    node(
      'ol',
      { class: 'ones', 'data-key': 'ones' },
      ...shown.map(one),
      left === 0 ? undefined : node('li', { class: 'left faint', 'data-key': 'left' }, `and ${count(left)} before`),
    ),
  )
}

function foldLine({ refusals }: Fold): Element {
  const [newest] = refusals
  const oldest = refusals.at(-1) ?? newest
  const paths = new Set(refusals.map(({ path }) => path))
  const callers = new Set(refusals.map(callerName))
  const isOfOneReason = new Set(refusals.map(refusal => JSON.stringify(inShort(refusal)))).size === 1
  const seconds = (Date.parse(newest.time) - Date.parse(oldest.time)) / 1000
  return line(newest, {
    times: `${count(refusals.length)} × in ${shortSpan(seconds)}`,
    paths: [code(newest.path), paths.size > 1 ? ` and ${count(paths.size - 1)} more` : ''],
    why: isOfOneReason ? inShort(newest) : [denialSpec(newest.code).title],
    caller: callers.size === 1 ? callerName(newest) : `${count(callers.size)} callers`,
  })
}

function one(refusal: RecentRefusal): Element {
  const lineOfOne = line(refusal, {
    paths: [code(refusal.path)],
    why: inShort(refusal),
    caller: callerName(refusal),
  })
  return node('li', { 'data-key': keyOf(refusal) }, node('details', { class: 'one' }, lineOfOne, whole(refusal)))
}

interface LineTexts {
  /** How often it happened, where that is more than once. */
  readonly times?: string
  readonly paths: readonly Node[]
  readonly why: readonly Node[]
  readonly caller: string | undefined
}

function line(
  { time, code: name, method, decision }: RecentRefusal,
  { times, paths, why, caller }: LineTexts,
): Element {
  return node(
    'summary',
    { class: 'line' },
    node('span', { class: 'when' }, moment(time)),
    node(
      'span',
      { class: 'which' },
      chip(name, denialSpec(name).status),
      ...(decision === 'report' ? [' ', node('span', { class: 'tag' }, 'reported')] : []),
    ),
    node(
      'span',
      { class: 'target' },
      ...(times === undefined ? [] : [node('span', { class: 'tag times' }, times), ' ']),
      ...(method === '' ? [] : [node('b', {}, method), ' ']),
      ...paths,
    ),
    node('span', { class: 'why' }, ...why),
    node('span', { class: 'caller' }, caller ?? '–'),
  )
}

/** All that is known of a refusal. */
function whole(refusal: RecentRefusal): Element {
  const { code: name, decision, method, host, path, route, explain, request_id: id, trace_id: trace } = refusal
  const { title, remedy } = denialSpec(name)
  return pairs('whole', [
    [
      'What it means',
      [
        filter('code', name, title),
        decision === 'report' ? '; it was only reported, and passed' : '',
        node('p', { class: 'faint' }, ...typed(remedy)),
      ],
    ],
    ['Wanted and seen', evidenceNodes(refusal)],
    [
      'Request',
      [
        node('b', {}, method),
        ' ',
        code(path),
        host === '' ? '' : ` at ${host}`,
        ...(route === undefined ? [', no route'] : [', route ', filter('route', route, route)]),
      ],
    ],
    ['Caller', callerNodes(refusal)],
    [
      'Ask again',
      explain === undefined
        ? undefined
        : node('div', { class: 'command' }, node('pre', { tabindex: '0' }, explain), copyButton('the command')),
    ],
    ['Request id', idNode(id, 'request')],
    ['Trace id', trace === undefined ? undefined : idNode(trace, 'trace')],
  ])
}

function idNode(id: string, of: string): Element {
  return node('div', { class: 'id' }, code(id), copyButton(`the id of the ${of}`))
}

function callerName({ subject, client }: RecentRefusal): string | undefined {
  return subject ?? client
}

function callerNodes({ subject, provider, client }: RecentRefusal): readonly Node[] | undefined {
  const told = [
    ...(subject === undefined ? [] : [code(subject)]),
    ...(provider === undefined ? [] : [` by ${provider}`]),
    ...(client === undefined ? [] : [` from ${client}`]),
  ]
  return told.length === 0 ? undefined : told
}

function keyOf({ request_id: id, time, code: name }: RecentRefusal): string {
  return `${id} ${time} ${name}`
}
