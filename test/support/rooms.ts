/**
 * Says which rooms the sources live in and how those hang together: a room is a folder of `src/`, or a file at its top.
 *
 * A nested folder is a room of its own, as `keys/fetch` is. It does not know which edges are allowed.
 */
import { EVERYTHING, type Import, type Source } from './sources.ts'

/** One import of one file, seen from outside. */
export interface Edge extends Import {
  /** The file that imports. */
  readonly path: string
}

/** @returns `keys/fetch` for `src/keys/fetch/fetch-document.ts`, and `gateway` for `src/gateway.ts` */
export function roomOf(path: string): string {
  const [, ...folders] = path.split('/')
  const file = folders.pop() ?? ''
  return folders.length === 0 ? file.replace(/\.ts$/, '') : folders.join('/')
}

/** @returns the imports of one kind, one for each file that imports it */
export function edgesOf(sources: readonly Source[], kind: Import['kind']): readonly Edge[] {
  return sources.flatMap(({ path, imports }) =>
    imports.filter(each => each.kind === kind).map(each => ({ path, ...each })),
  )
}

export function isBetweenRooms({ path, target }: Edge): boolean {
  return roomOf(path) !== roomOf(target)
}

/** An edge as it is written in tables and messages. */
export function arrow({ path, target }: Edge): string {
  return `${roomOf(path)} → ${roomOf(target)}`
}

/** @returns each circle of files once, as the shortest way round through the first of its files */
export function circles(edges: readonly Edge[]): readonly string[] {
  const targets = Map.groupBy(edges, ({ path }) => path)
  const known = new Set<string>()
  const found: string[] = []
  for (const start of [...targets.keys()].toSorted()) {
    if (known.has(start)) continue
    const way = shortestWay(start, targets)
    for (const file of way) known.add(file)
    if (way.length > 0) found.push([...way, start].join(' → '))
  }
  return found
}

/** @returns the files on the way from `start` back to it, itself first; none when no way leads back */
function shortestWay(start: string, edges: ReadonlyMap<string, readonly Edge[]>): readonly string[] {
  const ways: (readonly string[])[] = [[start]]
  const seen = new Set<string>()
  for (const way of ways) {
    for (const { target } of edges.get(way.at(-1) ?? start) ?? []) {
      if (target === start) return way
      if (!seen.has(target)) ways.push([...way, target])
      seen.add(target)
    }
  }
  return []
}

export interface UnusedExport {
  readonly path: string
  readonly line: number
  readonly name: string
}

/**
 * @param users files whose imports count as a use
 * @returns exports that no other file uses, each once; a use inside of the file itself needs no export
 */
export function unusedExports(sources: readonly Source[], users: readonly Source[]): readonly UnusedExport[] {
  const uses = Map.groupBy(edgesOf(users, 'file'), ({ target }) => target)
  const isUsed = (path: string, name: string): boolean =>
    (uses.get(path) ?? []).some(({ names }) => names.includes(name) || names.includes(EVERYTHING))
  return sources.flatMap(({ path, exports }) =>
    exports
      .filter(({ name }, index) => exports.findIndex(each => each.name === name) === index && !isUsed(path, name))
      .map(each => ({ path, ...each })),
  )
}
