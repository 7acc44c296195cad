/**
 * Finds the place in a file of a character of a text that YAML has read: an expression has its problem in the middle.
 *
 * YAML 1.2.2 §7.3 (plain and quoted scalars), §8.1 (block scalars). Where a text is folded, escaped or put together
 * from the environment, what stands in the file is not what was read; then there is no place but that of the whole.
 */

/**
 * @param file the text of the file
 * @param start offset of the scalar in it
 * @param within the text as it was read, and a place in it
 * @returns an offset in the file, or `start` where nobody can tell
 */
export function placeWithin(
  file: string,
  start: number,
  { text, offset }: { readonly text: string; readonly offset: number },
): number {
  const first = file[start]
  if (first === '|') return placeInBlock(file, start, { text, offset }) ?? start
  const begin = start + (first === '"' || first === "'" ? 1 : 0)
  return file.startsWith(text, begin) ? begin + offset : start
}

/** A literal block has the lines of the text, each of them indented alike. */
function placeInBlock(
  file: string,
  start: number,
  { text, offset }: { readonly text: string; readonly offset: number },
): number | undefined {
  const before = text.slice(0, offset).split('\n')
  let at = file.indexOf('\n', start) + 1
  const indent = /^ */.exec(file.slice(at))?.[0].length ?? 0
  for (const line of before.slice(0, -1)) {
    if (!file.startsWith(line, at + indent) && line !== '') return undefined
    at = file.indexOf('\n', at) + 1
  }
  const last = before.at(-1) ?? ''
  return file.startsWith(last, at + indent) ? at + indent + last.length : undefined
}
