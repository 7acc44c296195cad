/**
 * Finds the place in a file of a character of a text that YAML has read: an expression has its problem in the middle.
 *
 * YAML 1.2.2 §5.7 (escapes), §6.5 (folding), §7.3 (plain and quoted scalars), §8.1 (block scalars). Both are read side
 * by side, and however many spaces and lines there are between two words does not matter. Where a text is put together
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
  const [style = '', begin] = beginning(file, start)
  const words = text.slice(0, offset).matchAll(/\S/gu)
  let at: number | undefined = begin
  for (const [character] of words) {
    at = afterCharacter(file, afterSpace(file, at, style), { style, character })
    if (at === undefined) return start
  }
  return /\s/.test(text.charAt(offset)) ? at : afterSpace(file, at, style)
}

/** @returns `"`, `'`, `|` or `>`, or whatever a plain text begins with, and where the text begins */
function beginning(file: string, start: number): readonly [style: string | undefined, begin: number] {
  const style = file[start]
  if (style === '|' || style === '>') return [style, file.indexOf('\n', start) + 1]
  return [style, style === '"' || style === "'" ? start + 1 : start]
}

/** In double quotes a line may end with a `\`, which is no part of the text. */
function afterSpace(file: string, at: number, style: string): number {
  const space = style === '"' ? /(?:\s|\\\r?\n|\\[ nrt])*/y : /\s*/y
  space.lastIndex = at
  space.test(file)
  return space.lastIndex
}

/** @returns undefined where the file has another character */
function afterCharacter(
  file: string,
  at: number,
  { style, character }: { readonly style: string; readonly character: string },
): number | undefined {
  if (style === '"' && file[at] === '\\') {
    const escaped = /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(["\\/]))/iy
    escaped.lastIndex = at
    const [, byte, short, long, itself] = escaped.exec(file) ?? []
    const code = byte ?? short ?? long
    const found = code === undefined ? itself : String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff))
    return found === character ? escaped.lastIndex : undefined
  }
  if (!file.startsWith(character, at)) return undefined
  return at + (style === "'" && character === "'" ? 2 : character.length)
}
