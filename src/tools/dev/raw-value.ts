/** Changes values of a configuration file that nobody has checked yet. What has another form than it should stays. */

export type RawMap = Readonly<Record<string, unknown>>

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns a copy without these keys. */
export function without(map: RawMap, ...names: readonly string[]): RawMap {
  return Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)))
}

/** Changes each entry that is a map, and keeps what is none. */
export function eachMap(value: unknown, change: (entry: RawMap, id: string) => RawMap): unknown {
  if (!isMap(value)) return value
  return Object.fromEntries(Object.entries(value).map(([id, entry]) => [id, isMap(entry) ? change(entry, id) : entry]))
}
