/**
 * The view as a tree of plain nodes, which the server writes as HTML and console.js draws with `createElement`, and the
 * pieces that several parts of the view are made of.
 *
 * Characters that nobody sees, or that turn the direction of others round, are shown by their numbers: much of the text
 * was sent by strangers.
 */

type Attributes = Readonly<Record<string, string>>
type GivenAttributes = Readonly<Record<string, string | undefined>>

export type Node = string | Element
export type Element = readonly [tag: string, attributes: Attributes, ...children: Node[]]

/** Makes an element. Attributes and children that are undefined are left out. */
export function node(tag: string, given: GivenAttributes, ...children: ReadonlyArray<Node | undefined>): Element {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) if (value !== undefined) attributes[name] = visible(value)
  const shown = children.filter(child => child !== undefined && child !== '')
  return [tag, attributes, ...shown.map(child => (typeof child === 'string' ? visible(child) : (child as Element)))]
}

/** Writes a tree as HTML. No element of the view is one that has no end tag. */
export function html(tree: Node): string {
  if (typeof tree === 'string') return escaped(tree)
  const [tag, attributes, ...children] = tree
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`)
  return `<${tag}${written.join('')}>${children.map(html).join('')}</${tag}>`
}

interface Column {
  readonly title: string
  readonly kind?: 'number' | 'wide' | undefined
}

interface Row {
  /** Tells the row from others, so that it is kept when the table is drawn again. */
  readonly key: string
  /** The first is the heading of the row. */
  readonly cells: ReadonlyArray<Node | readonly Node[] | undefined>
  readonly attributes?: GivenAttributes
}

/** A table with headings, each of whose cells names its column, for screens on which a row becomes a block. */
export function table(name: string, columns: readonly Column[], rows: readonly Row[]): Element {
  return node(
    'table',
    { class: name, role: 'table' },
    head(columns),
    node(
      'tbody',
      { role: 'rowgroup' },
      ...rows.map(({ key, cells, attributes = {} }) =>
        node('tr', { ...attributes, role: 'row', 'data-key': key }, ...cellsOf(columns, cells)),
      ),
    ),
  )
}

function head(columns: readonly Column[]): Element {
  const titles = columns.map(({ title, kind }) =>
    node('th', { scope: 'col', role: 'columnheader', class: kind }, title),
  )
  return node('thead', { role: 'rowgroup' }, node('tr', { role: 'row' }, ...titles))
}

function cellsOf(columns: readonly Column[], cells: Row['cells']): readonly Element[] {
  return columns.map(({ title, kind }, at) => {
    const cell = cells[at]
    const content = cell === undefined ? ['–'] : isNode(cell) ? [cell] : cell
    return at === 0
      ? node('th', { scope: 'row', role: 'rowheader' }, ...content)
      : node(
          'td',
          { role: 'cell', class: cell === undefined ? `${kind ?? ''} none` : kind, 'data-column': title },
          ...content,
        )
  })
}

/** @param note stands beside the heading */
export function section(id: string, title: string, note: string, ...content: readonly Node[]): Element {
  return node(
    'section',
    { id, 'aria-labelledby': `${id}-title` },
    node('div', { class: 'title' }, node('h2', { id: `${id}-title` }, title), node('p', {}, note)),
    ...content,
  )
}

/** Pairs of a name and what is said of it; a pair without a value is left out. */
export function pairs(
  name: string,
  given: ReadonlyArray<readonly [name: string, value: Node | readonly Node[] | undefined]>,
): Element {
  const shown = given.flatMap(([term, value]) =>
    value === undefined
      ? []
      : [node('div', {}, node('dt', {}, term), node('dd', {}, ...(isNode(value) ? [value] : value)))],
  )
  return node('dl', { class: name }, ...shown)
}

export function code(text: string): Element {
  return node('code', {}, text)
}

/** What stands between backticks is what one types. */
export function typed(text: string): readonly Node[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? code(part) : part))
}

/** A moment; the script shows how long ago it is. @param iso as `toISOString` writes it */
export function moment(iso: string): Element {
  return node('time', { datetime: iso }, `${iso.slice(0, 19).replace('T', ' ')} UTC`)
}

/** A code of a refusal, in the colour of its status. */
export function chip(text: string, status: number | undefined): Element {
  const kind =
    status === undefined ? 'none' : status === 401 || status === 403 ? String(status) : `${Math.floor(status / 100)}xx`
  return node(
    'span',
    { class: `chip s${kind}` },
    ...(status === undefined ? [] : [node('b', {}, String(status)), ' ']),
    text,
  )
}

/** A button that only the script shows, which copies the text of the element before it. */
export function copyButton(what: string): Element {
  return node('button', { type: 'button', class: 'live copy', 'data-own': '', 'aria-label': `Copy ${what}` }, 'Copy')
}

/** Leads to the last refusals; the script shows only those of this code or route then. */
export function filter(by: 'code' | 'route', value: string, shown: Node): Element {
  return node('a', { class: 'filter', href: '#recent', 'data-by': by, 'data-value': value }, shown)
}

/** Says that there is nothing to show. */
export function nothing(text: string): Element {
  return node('p', { class: 'nothing' }, text)
}

function isNode(given: Node | readonly Node[]): given is Node {
  return (
    typeof given === 'string' ||
    (typeof given[0] === 'string' && !Array.isArray(given[1]) && typeof given[1] === 'object')
  )
}

/** A line break stays, because texts of several lines are shown as such. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, found =>
    found === '\n' ? found : `\\u{${found.codePointAt(0)?.toString(16)}}`,
  )
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
