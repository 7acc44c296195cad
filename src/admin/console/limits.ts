/** Shows rate limits: how many keys each holds, whether it is shared, and how often it was met. */
import type { ConsoleFacts } from './facts.ts'
import { code, type Element, type Node, node, table } from './nodes.ts'
import { count } from './texts.ts'

type ShownLimit = NonNullable<ConsoleFacts['status']['limits']>[number]

const COLUMNS = [
  { title: 'Rate limit' },
  { title: 'Counted', kind: 'wide' },
  { title: 'Keys', kind: 'number' },
  { title: 'At most', kind: 'number' },
  { title: 'Limited', kind: 'number' },
] as const

const SHARING: Readonly<Record<ShownLimit['mode'], string>> = {
  shared: 'by all, shared by the store',
  local: 'by this gateway alone',
  refuse: 'not at all',
}

/** Since the start; what routes that only report would have refused counts as limited, too. */
export function limitTable({ status: { limits }, readings }: ConsoleFacts): readonly Element[] {
  if (limits === undefined) return []
  const rows = limits.map(limit => ({
    key: limit.id,
    cells: [
      code(limit.id),
      sharing(limit),
      count(limit.keys),
      count(limit.entries),
      count(readings.limited.get(limit.id) ?? 0),
    ],
  }))
  return [table('limits', COLUMNS, rows)]
}

function sharing({ mode, last_error: lastError }: ShownLimit): Node {
  return lastError === undefined ? SHARING[mode] : node('span', { class: 'bad' }, `not shared: ${lastError}`)
}
