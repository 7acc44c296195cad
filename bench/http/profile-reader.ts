/** Reads a `.cpuprofile` (Chrome DevTools Protocol, `Profiler.Profile`) and adds its samples up. */
import { readFileSync } from 'node:fs'

/** Shares of the busy time by name, from 0 to 1. */
export interface Shares {
  /** The shares by package, by part of Node, or by native function. */
  readonly owner: ReadonlyMap<string, number>
  readonly self: ReadonlyMap<string, number>
  readonly inclusive: ReadonlyMap<string, number>
}

interface Node {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly Node[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
  readonly startTime: number
  readonly endTime: number
}

const NOT_BUSY = new Set(['(idle)', '(root)'])

/** @param window only the end of the profile is read, so that starting and warming up do not count */
export function readProfile(file: string, window: { readonly lastMs: number }): Shares {
  const { nodes, samples, timeDeltas, startTime, endTime } = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const byId = new Map(nodes.map(node => [node.id, node]))
  const parents = new Map(nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id] as const)))
  const spent = new Map<number, number>()
  let at = startTime
  samples.forEach((id, index) => {
    const delta = timeDeltas[index] ?? 0
    at += delta
    if (at >= endTime - window.lastMs * 1000) add(spent, id, delta)
  })

  const [owner, self, inclusive] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()]
  let busy = 0
  for (const [id, time] of spent) {
    const node = byId.get(id)
    if (node === undefined || NOT_BUSY.has(node.callFrame.functionName)) continue
    busy += time
    add(owner, ownerOf(node), time)
    add(self, nameOf(node), time)
    const stack = new Set<string>()
    for (let next: number | undefined = id; next !== undefined; next = parents.get(next)) {
      const caller = byId.get(next)
      if (caller !== undefined) stack.add(nameOf(caller))
    }
    for (const name of stack) add(inclusive, name, time)
  }
  const shares = (map: Map<string, number>): Map<string, number> =>
    new Map([...map].map(([name, time]) => [name, time / busy]))
  return { owner: shares(owner), self: shares(self), inclusive: shares(inclusive) }
}

function add<K>(map: Map<K, number>, key: K, time: number): void {
  map.set(key, (map.get(key) ?? 0) + time)
}

function ownerOf({ callFrame: { url, functionName } }: Node): string {
  if (url === '') return `native ${functionName}`
  const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (name !== undefined) return name
  if (url.startsWith('node:')) return 'Node'
  return url.startsWith('wasm:') ? 'wasm' : 'Sallyport'
}

function nameOf({ callFrame: { url, functionName, lineNumber } }: Node): string {
  const file = url.replace(/^.*node_modules\//, '').replace(/^file:.*\/(?=src\/|dist\/)/, '')
  return `${functionName || '(anonymous)'} ${file}${file === '' ? '' : `:${lineNumber + 1}`}`
}
