/**
 * Parses JSON from a stranger: one text has one meaning, and the value it yields is safe to pass around.
 *
 * RFC 8259 (JSON), RFC 7493 (I-JSON: §2.1 UTF-8 without surrogates, §2.3 no duplicate members), RFC 8725 §2.6 and §3.7.
 * `JSON.parse` judges the syntax. What it lets pass, while parsers disagree about it, is refused here: duplicate member
 * names, invalid UTF-8, a byte order mark, lone surrogates, numbers beyond a double, nesting without end, `__proto__`.
 * Integers beyond 2^53 are not refused: `JSON.parse` rounds them.
 */

/** Each of them is looked at, which takes longer than to parse it. */
const MOST_OUTER_MEMBERS = 1000

/** It keeps a byte order mark, so that the parser refuses it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * @returns the value of a JSON text, frozen in depth
 * @param bytes the text in UTF-8 and nothing else
 * @param maxDepth the deepest nesting of arrays and objects that is accepted
 * @throws {SyntaxError} with a fixed reason that quotes nothing of the input, so it may be logged
 */
export function parseStrictJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = decoded(bytes)
  const { all } = countMembers(text, maxDepth)
  const value = parsed(text)
  // A repeated name, however it is escaped, is one member less in the value than there are in the text.
  if (freeze(value) !== all) throw new SyntaxError('duplicate member name')
  return value
}

function decoded(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new SyntaxError('not UTF-8')
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's message quotes the input, which may be a claim.
    throw new SyntaxError('not JSON')
  }
}

/**
 * Does what {@link parseStrictJson} does, but for the object of a text and the objects that are its members alone. It
 * is for texts of which nobody here reads more. It freezes nothing, and takes about as long as the engine's parser.
 * More than {@link MOST_OUTER_MEMBERS} members are refused.
 *
 * @throws {SyntaxError} as {@link parseStrictJson} does
 */
export function parseStrictOuterJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = decoded(bytes)
  const { outermost, within } = countMembers(text, maxDepth)
  if (outermost + within > MOST_OUTER_MEMBERS) throw new SyntaxError('too many members')
  const value = parsed(text)
  if (!isObject(value)) return value
  const inner = Object.values(value).filter(isObject)
  const inMembers = inner.reduce((sum, each) => sum + Object.keys(each).length, 0)
  if (Object.keys(value).length !== outermost || inMembers !== within) throw new SyntaxError('duplicate member name')
  for (const each of [value, ...inner])
    for (const [name, member] of Object.entries(each)) {
      checkName(name)
      checkScalar(member)
    }
  return value
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Members {
  /** In the whole text. */
  readonly all: number
  /** Of the outermost object. */
  readonly outermost: number
  /** Of all objects right within it. */
  readonly within: number
}

/**
 * @returns the members in the text, one per colon outside a string; when the text is no JSON it
 * means nothing, and the parser tells
 */
function countMembers(text: string, maxDepth: number): Members {
  let all = 0
  let outermost = 0
  let within = 0
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(text, at)
        break
      case 0x3a: // :
        all += 1
        if (depth === 1) outermost += 1
        else if (depth === 2) within += 1
        break
      case 0x5b: // [
      case 0x7b: // {
        depth += 1
        if (depth > maxDepth) throw new SyntaxError('nested too deeply')
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1
        break
    }
  }
  return { all, outermost, within }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at)
    if (char === 0x5c) at += 1
    else if (char === 0x22) return at
  }
  return text.length
}

/**
 * Freezes arrays and objects, checks scalars and names, and counts members. It does not recurse,
 * since the input sets the depth.
 */
function freeze(root: unknown): number {
  let members = 0
  const pending: object[] = []
  const visit = (value: unknown): void => {
    checkScalar(value)
    if (typeof value === 'object' && value !== null) pending.push(value)
  }
  visit(root)
  for (let container = pending.pop(); container !== undefined; container = pending.pop()) {
    if (Array.isArray(container)) container.forEach(visit)
    else {
      for (const [name, value] of Object.entries(container)) {
        members += 1
        checkName(name)
        visit(value)
      }
    }
    Object.freeze(container)
  }
  return members
}

function checkScalar(value: unknown): void {
  if (typeof value === 'string') checkString(value)
  else if (typeof value === 'number' && !Number.isFinite(value)) throw new SyntaxError('number out of range')
}

/** An own `__proto__` turns into a prototype as soon as someone copies the object by assignment. */
function checkName(name: string): void {
  checkString(name)
  if (name === '__proto__') throw new SyntaxError('member name __proto__')
}

/** A lone surrogate has no UTF-8: it would reach a header or a log as something else than was signed. */
function checkString(value: string): void {
  if (!value.isWellFormed()) throw new SyntaxError('lone surrogate')
}
