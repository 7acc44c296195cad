/**
 * Knows which file each value of a joined configuration is in, and where it is there.
 *
 * A section has one file, or each of its entries has. A joined list counts on from file to file, so the third route of
 * a configuration may be the first of an included file.
 */
import type { Path } from '../check/findings.ts'
import type { ConfigFile } from './config-file.ts'
import { pathKey } from './yaml-values.ts'

/** A value, as its file counts. */
export interface Home {
  readonly file: ConfigFile
  readonly path: Path
}

export interface Homes {
  /** Says where a section, or an entry of one, is. */
  settle(joined: Path, home: Home): void
  /** What belongs to no section is in the main file. */
  homeOf(joined: Path): Home
  /** Returns the path in the joined configuration, or undefined for what was left out of it. */
  joinedPath(home: Home): Path | undefined
}

/** A section, or an entry of one: `['routes']`, `['routes', 2]`. */
const LENGTHS = [2, 1]

export function homes(main: ConfigFile): Homes {
  const byJoined = new Map<string, Home>()
  const byHome = new Map<ConfigFile, Map<string, Path>>()
  return {
    settle(joined, home) {
      byJoined.set(pathKey(joined), home)
      const ofFile = byHome.get(home.file) ?? new Map<string, Path>()
      byHome.set(home.file, ofFile.set(pathKey(home.path), joined))
    },
    homeOf(joined) {
      for (const length of LENGTHS) {
        const home = joined.length < length ? undefined : byJoined.get(pathKey(joined.slice(0, length)))
        if (home !== undefined) return { file: home.file, path: [...home.path, ...joined.slice(length)] }
      }
      return { file: main, path: joined }
    },
    joinedPath({ file, path }) {
      for (const length of LENGTHS) {
        const joined = path.length < length ? undefined : byHome.get(file)?.get(pathKey(path.slice(0, length)))
        if (joined !== undefined) return [...joined, ...path.slice(length)]
      }
      return undefined
    },
  }
}

/** Says in which file and line a value is, for a message about another one. */
export function homeText({ file, path }: Home): string {
  return `${file.name}:${file.source.position({ path, message: '', at: 'key' }).line}`
}
