/**
 * Changes a YAML or JSON text so that it says other values, and leaves every byte alone that need not change.
 *
 * It compares what the text says with what it shall say, and puts in what is missing where it stands: members after the
 * one that they follow, new items of a list before the others. So comments, order, quotes and spacing survive. An alias
 * whose anchor changes is written out unless it shall change in the same way.
 *
 * A map in one line that shall have fewer members is written anew, and so are lists that shall have fewer items.
 */
import { isDeepStrictEqual } from 'node:util'
import type { YAMLSeq } from 'yaml'
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  visit,
  type YAMLMap,
} from 'yaml'
import { isMembers, type Members } from '../k8s/manifests.ts'
import { blockText, flowText, isOneLine, jsonText, styleOf } from './rendered.ts'
import {
  columnAt,
  contentEnd,
  isComment,
  isDashBefore,
  lineEndAt,
  lineStart,
  nextLine,
  startOf,
  withoutLineEnd,
} from './text-places.ts'

export interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** How a value is written where it stands. */
interface Place {
  readonly form: 'block' | 'flow' | 'json'
  /** Where the lines of a map begin that takes the place of something in one line. */
  readonly column: number
}

type MapPair = Pair<Node, Node | null>

/** @returns the text with all edits; of insertions at one place, the first comes first */
export function editedText(text: string, edits: readonly Edit[]): string {
  const isReplacement = ({ from, to }: Edit): number => (to > from ? 1 : 0)
  const sorted = edits.toSorted((one, other) => one.from - other.from || isReplacement(one) - isReplacement(other))
  let result = ''
  let at = 0
  for (const edit of sorted) {
    result += text.slice(at, edit.from) + edit.text
    at = edit.to
  }
  return result + text.slice(at)
}

/** @param wanted the value that the document shall have */
export function editsFor(text: string, document: Document.Parsed, wanted: unknown): readonly Edit[] {
  const style = styleOf(text, document)
  const edits: Edit[] = []
  /** What nodes with an anchor will say; an anchor stands before its aliases. */
  const planned = new Map<Node, unknown>()
  const lost = new Set<Node>()
  if (document.contents !== null) change(document.contents, wanted, { form: 'block', column: 0 })
  return edits

  function change(node: Node, value: unknown, place: Place): void {
    if (isAlias(node)) {
      const target = node.resolve(document)
      const says = target === undefined || lost.has(target) ? undefined : plannedOf(target)
      if (!isDeepStrictEqual(says, value)) replace(node, value, place)
      return
    }
    if ('anchor' in node && node.anchor !== undefined) planned.set(node, value)
    if (isMap(node) && isMembers(value)) changeMap(node, value, place)
    else if (isSeq(node) && Array.isArray(value)) changeList(node, value, place)
    else if (isCollection(node) || !isDeepStrictEqual(node.toJS(document), value)) replace(node, value, place)
  }

  function changeMap(node: YAMLMap, value: Members, place: Place): void {
    const pairs = node.items as MapPair[]
    const merged: Members = Object.assign({}, ...pairs.filter(isMerge).map(pair => mergedBy(pair.value)))
    const own = new Map(pairs.filter(pair => !isMerge(pair)).map(pair => [keyOf(pair), pair]))
    const names = Object.keys(value)
    const gone = [...own].filter(([name]) => !Object.hasOwn(value, name)).map(([, pair]) => pair)
    const isTooMuch =
      Object.keys(merged).some(name => !Object.hasOwn(value, name)) ||
      gone.some(pair => node.flow === true || gone.length === pairs.length || !beginsLine(pair))
    const isUnwritten = [...own].some(([name, pair]) => pair.value === null && value[name] !== null)
    if (isTooMuch || isUnwritten || (pairs.length === 0 && names.length > 0)) {
      replace(node, value, place)
      return
    }
    if (pairs.length === 0) return
    const inner = insideOf(node, place)
    for (const pair of gone) remove(pair)
    for (const [name, { value: child }] of own)
      if (child !== null && Object.hasOwn(value, name)) change(child, value[name], inner)
    let after: MapPair | undefined
    for (const name of names) {
      const isMerged = Object.hasOwn(merged, name) && isDeepStrictEqual(merged[name], value[name])
      if (own.has(name)) after = own.get(name)
      else if (isMerged) continue
      else if (inner.form === 'block') insertMember(node, after, { [name]: value[name] })
      else insertInFlow(node, inner, value[name], name)
    }
  }

  function changeList(node: YAMLSeq, values: readonly unknown[], place: Place): void {
    const items = node.items as readonly Node[]
    const more = values.length - items.length
    if (more < 0 || (items.length === 0 && more > 0)) {
      replace(node, values, place)
      return
    }
    const inner = insideOf(node, place)
    items.forEach((item, index) => {
      change(item, values[more + index], inner.form === 'block' ? { form: 'block', column: columnOf(item) } : inner)
    })
    for (const each of values.slice(0, more))
      if (inner.form === 'block') insertBefore(node, [each])
      else insertInFlow(node, inner, each)
  }

  function insideOf(node: YAMLMap | YAMLSeq, { form }: Place): Place {
    const column = columnOf(node) + style.step
    if (node.flow !== true) return { form: 'block', column }
    const [first] = node.items
    const isJson = isMap(node) ? text[startOf((first as MapPair).key)] === '"' : form === 'json'
    return { form: isJson ? 'json' : 'flow', column }
  }

  /** What an alias of a node will say. */
  function plannedOf(node: Node): unknown {
    return planned.has(node) ? planned.get(node) : node.toJS(document)
  }

  /** What a merge key (`<<`) brings in: of an alias, of several, or of a map. */
  function mergedBy(node: Node | null): Members {
    if (isSeq(node)) return Object.assign({}, ...(node.items as Node[]).toReversed().map(mergedBy))
    const target = isAlias(node) ? node.resolve(document) : node
    const value = target === undefined || target === null ? {} : plannedOf(target)
    return isMembers(value) ? value : {}
  }

  function insertMember(map: YAMLMap, after: MapPair | undefined, member: Members): void {
    if (after === undefined) {
      insertBefore(map, member)
      return
    }
    const column = columnOf(map)
    const end = contentEnd(after.value ?? after.key)
    const next = text[end - 1] === '\n' ? end : nextLine(text, end)
    const written = ' '.repeat(column) + blockText(member, column, style)
    const isUnended = text[next - 1] !== '\n'
    edits.push({ from: next, to: next, text: isUnended ? style.lineEnd + written : written + style.lineEnd })
  }

  /** Inserts before all that a block has, and before the comment above that, which is about what comes next. */
  function insertBefore(node: YAMLMap | YAMLSeq, value: unknown): void {
    const column = columnOf(node)
    const margin = ' '.repeat(column)
    const written = blockText(value, column, style) + style.lineEnd
    const first = startOf(node)
    let start = lineStart(text, first)
    // What shares its line with a dash begins there.
    if (text.slice(start, first).trim() !== '') {
      edits.push({ from: first, to: first, text: written + margin })
      return
    }
    while (start > lineStart(text, 0) && isComment(text.slice(lineStart(text, start - 1), start)))
      start = lineStart(text, start - 1)
    edits.push({ from: start, to: start, text: margin + written })
  }

  /** Inserts at the beginning, where neither a trailing comma nor a comment is in the way. */
  function insertInFlow(node: Node, { form }: Place, value: unknown, name?: string): void {
    const from = startOf(node) + 1
    const [space = ''] = /^\s*/.exec(text.slice(from)) ?? []
    const column = space.includes('\n') ? columnAt(text, from + space.length) : undefined
    const written = form === 'json' ? jsonText(value, column, style) : flowText(value)
    const key = name === undefined ? '' : `${form === 'json' ? JSON.stringify(name) : flowText(name)}: `
    edits.push({ from, to: from, text: `${space}${key}${written},${space === '' ? ' ' : ''}` })
  }

  /** Removes the lines of a member. */
  function remove({ key, value }: MapPair): void {
    if (value !== null) loseAnchors(value, value)
    edits.push({ from: lineStart(text, startOf(key)), to: nextLine(text, contentEnd(value ?? key) - 1), text: '' })
  }

  function beginsLine({ key }: MapPair): boolean {
    return text.slice(lineStart(text, startOf(key)), startOf(key)).trim() === ''
  }

  /** Aliases of what goes have to be written out. */
  function loseAnchors(node: Node, itself?: Node): void {
    visit(node, {
      Node(_key, inner) {
        if ((inner !== node || inner === itself) && 'anchor' in inner && inner.anchor !== undefined) lost.add(inner)
      },
    })
  }

  function replace(node: Node, value: unknown, { form, column }: Place): void {
    loseAnchors(node)
    const from = startOf(node)
    const to = withoutLineEnd(text, contentEnd(node))
    const isFlow = isCollection(node) && node.flow === true && node.items.length > 0
    if (form === 'json') edits.push({ from, to, text: jsonText(value, jsonColumn(from), style) })
    else if (isCollection(node) && node.flow !== true) {
      // A list may begin below the beginning of its name, and nothing else may.
      const more = isSeq(node) && (isOneLine(value) || !Array.isArray(value)) ? style.step : 0
      const own = columnAt(text, from) + more
      edits.push({ from, to, text: ' '.repeat(more) + blockText(value, own, style) })
    } else if (form === 'flow' || isOneLine(value) || isFlow) edits.push({ from, to, text: flowText(value) })
    else if (isDashBefore(text, from)) edits.push({ from, to, text: blockText(value, columnAt(text, from), style) })
    else {
      // A comment at the end of the line stays there, and the block begins in the next one.
      const own = Array.isArray(value) ? column - style.step + style.listStep : column
      const end = lineEndAt(text, to)
      const start = text.slice(0, from).trimEnd().length
      const rest = text.slice(to, end)
      edits.push({ from: start, to: rest.trim() === '' ? end : to, text: rest.startsWith('#') ? ' ' : '' })
      edits.push({ from: end, to: end, text: style.lineEnd + ' '.repeat(own) + blockText(value, own, style) })
    }
  }

  /** @returns undefined where all of it stands in one line */
  function jsonColumn(offset: number): number | undefined {
    const start = lineStart(text, offset)
    return start === 0 ? undefined : start + text.slice(start).search(/\S/) - start
  }

  function columnOf(node: Node): number {
    return columnAt(text, startOf(node))
  }
}

function isMerge({ key, value }: MapPair): boolean {
  return isScalar(key) && key.source === '<<' && !isScalar(value)
}

function keyOf({ key }: MapPair): string {
  return String('value' in key ? key.value : key)
}
