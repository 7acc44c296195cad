/** Finds what a name of the configuration stands for. */

/** Names were checked when the file was loaded, so a missing one is a bug. */
export function named<T>(map: ReadonlyMap<string, T>, id: string): T {
  const value = map.get(id)
  if (value === undefined) throw new Error(`nothing is called ${id}`)
  return value
}
