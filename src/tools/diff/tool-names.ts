/**
 * Lists one name of a tool for each way in which the lines of two files can tell names apart.
 *
 * A name is told by the line that is written for it, and by the one that a service would find which ignores letter case
 * (`mcp/tool-rules.ts`). So every line stands for names as it writes them, and for other spellings of them, which may
 * meet the line of another beginning, or none.
 */
import { foldedName } from '../../mcp/folded-name.ts'

/** Stands for all names that meet the same lines. */
interface ToolName {
  readonly name: string
  /** The line that is written for the name, as the files have it; undefined for the names that neither lists. */
  readonly line: string | undefined
}

interface OtherSpelling extends ToolName {
  /** The line that a service would find which ignores letter case. */
  readonly readAs: string
}

interface ToolNames {
  /** The names that neither file lists come last. */
  readonly written: readonly ToolName[]
  readonly spellings: readonly OtherSpelling[]
}

/** @param lines of both files: names, and beginnings with `*` behind them */
export function toolNames(lines: readonly string[]): ToolNames {
  const exact = new Set(lines.filter(line => !isBeginning(line)))
  // The longest comes first, and the empty one stands for the names that neither file lists.
  const beginnings = [...new Set([...lines.filter(isBeginning).map(beginningOf), ''])].toSorted(
    (one, other) => other.length - one.length,
  )
  const folded = beginnings.map(foldedName)
  const lineOf = (beginning: string): string | undefined => lines.find(line => line === `${beginning}*`)
  // Whatever stands in a line, this many signs of it do not continue it to be another one.
  const longest = Math.max(0, ...[...lines, ...lines.map(foldedName)].map(({ length }) => length))
  const rest = 'x'.repeat(1 + longest)

  /** Returns a name that begins so, and meets no longer beginning in any spelling. */
  function continued(beginning: string): string {
    const start = foldedName(beginning)
    const longer = folded.filter(each => each.length > start.length && each.startsWith(start))
    return beginning + unlike(new Set(longer.map(each => each.charAt(start.length)))) + rest
  }

  /** Returns another spelling that meets this beginning and no longer one; undefined when there is none. */
  function respelled(name: string, beginning: string): string | undefined {
    const start = foldedName(beginning)
    if (!name.startsWith(start)) return undefined
    const spelled = spellings(name.slice(start.length)).map(each => beginning + each)
    return spelled.find(
      each =>
        foldedName(each) === name && !exact.has(each) && beginnings.find(other => each.startsWith(other)) === beginning,
    )
  }

  const meant = new Map(
    lines.map(line => [foldedName(isBeginning(line) ? continued(beginningOf(line)) : line), line] as const),
  )
  return {
    written: [
      ...[...exact].map(line => ({ name: line, line })),
      ...beginnings.map(beginning => ({ name: continued(beginning), line: lineOf(beginning) })),
    ],
    spellings: [...meant].flatMap(([name, readAs]) =>
      beginnings.flatMap(beginning => {
        const spelled = respelled(name, beginning)
        return spelled === undefined ? [] : [{ name: spelled, line: lineOf(beginning), readAs }]
      }),
    ),
  }
}

function isBeginning(line: string): boolean {
  return line.endsWith('*')
}

function beginningOf(line: string): string {
  return line.slice(0, -1)
}

/** Returns a sign that is none of these, in any spelling. */
function unlike(taken: ReadonlySet<string>): string {
  for (let code = 'x'.charCodeAt(0); ; code++) {
    const sign = String.fromCharCode(code)
    if (!taken.has(foldedName(sign))) return sign
  }
}

/** Spells one sign otherwise, whichever that is. What has no other spelling is left out. */
function spellings(name: string): readonly string[] {
  if (name === '') return ['']
  return [...name].flatMap((sign, index, signs) =>
    variants(sign).map(each => [...signs.slice(0, index), each, ...signs.slice(index + 1)].join('')),
  )
}

const FULL_WIDTH = 0xfee0

function variants(sign: string): readonly string[] {
  const full = /[!-~]/.test(sign) ? [String.fromCharCode(sign.charCodeAt(0) + FULL_WIDTH)] : []
  return [sign.toUpperCase(), ...full].filter(each => each !== sign)
}
