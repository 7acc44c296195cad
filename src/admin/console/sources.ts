/** Shows what decisions are made of: the providers with their keys, and the configuration in force. */

import type { ConsoleFacts } from './facts.ts'
import { code, type Element, moment, type Node, node, nothing, pairs, section, table } from './nodes.ts'
import { count } from './texts.ts'

type Provider = ConsoleFacts['status']['providers'][number]

const COLUMNS = [
  { title: 'Provider' },
  { title: 'State' },
  { title: 'Last answer' },
  { title: 'Judges by', kind: 'wide' },
  { title: 'Last error', kind: 'wide' },
] as const

export function providers({ status }: ConsoleFacts): Element {
  const rows = status.providers.map(provider => ({
    key: provider.id,
    cells: [
      [
        node('b', {}, provider.id),
        ...(provider.issuer === undefined ? [] : [node('p', { class: 'faint' }, provider.issuer)]),
      ],
      stateNode(provider),
      provider.last_success === undefined ? 'none' : moment(provider.last_success),
      judgedBy(provider),
      provider.last_error === undefined ? 'none' : node('span', { class: 'bad' }, provider.last_error),
    ],
  }))
  const content = rows.length === 0 ? nothing('No provider is configured.') : table('providers', COLUMNS, rows)
  return section('providers', 'Providers', '', content)
}

/** An error of the last attempt is worth a word before the keys are too old to count. */
function stateNode({ usable, last_error: lastError }: Provider): Node {
  if (!usable) return node('span', { class: 'mark bad' }, 'unusable')
  return lastError === undefined
    ? node('span', { class: 'mark good' }, 'usable')
    : node('span', { class: 'mark doubtful' }, 'usable, but failing')
}

function judgedBy({ keys, skipped, introspection, decryption, sessions }: Provider): readonly Node[] | undefined {
  const skips = Object.entries(skipped ?? {}).map(([reason, number]) => `${count(number)} skipped: ${reason}`)
  const lines: ReadonlyArray<readonly Node[]> = [
    ...(keys ?? []).map(({ kid, algorithms }) => [
      code(kid ?? 'a key without id'),
      node('span', { class: 'faint' }, ` ${algorithms.join(' ')}`),
    ]),
    ...skips.map(skip => [skip]),
    ...(introspection === undefined ? [] : [introspectionNodes(introspection)]),
    ...(decryption === undefined ? [] : [['opens tokens for ', ...decryption.kids.flatMap(kid => [code(kid), ' '])]]),
    ...(sessions === undefined ? [] : [sessionNodes(sessions)]),
  ]
  return lines.length === 0 ? undefined : lines.map(line => node('p', {}, ...line))
}

function introspectionNodes(asked: NonNullable<Provider['introspection']>): readonly Node[] {
  const { breaker, next_try: nextTry, in_flight: underWay, queued, last_failure: lastFailure } = asked
  return [
    `asks ${asked.endpoint ?? 'a server that is not found yet'}, breaker ${breaker}`,
    ...(nextTry === undefined ? [] : [', next try ', moment(nextTry)]),
    `; ${count(underWay)} under way, ${count(queued)} waiting, ` +
      `${count(asked.active_tokens)} active and ${count(asked.inactive_tokens)} inactive tokens remembered`,
    ...(lastFailure === undefined ? [] : ['; last failed ', moment(lastFailure)]),
  ]
}

function sessionNodes(sessions: NonNullable<Provider['sessions']>): readonly Node[] {
  const failures = [
    ['last renewal that failed', sessions.last_refresh_error, sessions.last_refresh_failure],
    ['last login that failed', sessions.last_login_error, sessions.last_login_failure],
  ] as const
  return [
    `${count(sessions.held)} sessions`,
    ...(sessions.store === undefined ? [] : [`, store ${sessions.store}`]),
    ...(sessions.store_error === undefined ? [] : [`: ${sessions.store_error}`]),
    ...failures.flatMap(([what, error, at]) =>
      error === undefined ? [] : [`; ${what}: ${error}`, ...(at === undefined ? [] : [' ', moment(at)])],
    ),
  ]
}

export function configuration({ status: { config, config_hash: hash, workers } }: ConsoleFacts): Element {
  const { since, includes, last_rejected: rejected } = config
  const differing = (workers ?? []).filter(worker => worker.config_hash !== hash)
  return section(
    'configuration',
    'Configuration',
    '',
    pairs('facts', [
      ['In force', code(hash)],
      ['Since', moment(since)],
      ['Includes', includes?.map(file => node('p', {}, code(file)))],
      [
        'Last rejected',
        rejected === undefined
          ? 'none since the start'
          : [
              moment(rejected.at),
              rejected.trigger === 'change' ? ', when a file had changed' : `, after ${rejected.trigger}`,
            ],
      ],
      [
        'Not the same',
        differing.length === 0
          ? undefined
          : differing.map(({ pid, config_hash: other }) => node('p', {}, `worker ${pid}: `, code(other))),
      ],
    ]),
    ...(rejected === undefined
      ? []
      : [
          node(
            'div',
            { class: 'rejected' },
            node('p', {}, 'This file was not put in force:'),
            ...rejected.problems.map(problem => node('pre', { tabindex: '0' }, problem)),
          ),
        ]),
  )
}
