/**
 * Reads the one message of the Model Context Protocol that a request brings, as every server behind us would read it.
 *
 * JSON-RPC 2.0 §4 (request), §5 (response); MCP 2025-11-25 and 2026-07-28, "Streamable HTTP". What readers disagree on
 * is refused: batches, members that are there twice or in another spelling, names that a reader may cut off or trim,
 * and what `lib/strict-json.ts` names. The arguments of a tool are left to the server.
 */
import { Denial } from '../errors.ts'
import { parseStrictOuterJson } from '../lib/strict-json.ts'
import { foldedName } from './folded-name.ts'

export interface Message {
  /** As an answer may repeat it; undefined for a notification, and for an id of another type or without end. */
  readonly id: string | number | undefined
  /** Undefined for the answer to what the server has asked. */
  readonly method: string | undefined
  readonly params: Readonly<Record<string, unknown>>
}

/** The method that calls a tool, whose name is in `params.name`. */
export const TOOLS_CALL = 'tools/call'

/** In UTF-16 units. MCP 2025-11-25, "Tool names", has 128 characters at most. */
export const LONGEST_TOOL_NAME = 256

/** Arguments of tools are any JSON; whoever nests them deeper has no tool in mind. */
const MAX_DEPTH = 100

/** In UTF-16 units. A letter of the longest text that is looked for takes two at most, before it is folded. */
const MOST_UNITS = 2 * TOOLS_CALL.length
const IGNORED_BY_SOME = /[\p{Cc}\s_-]/gu

const FOLDED_CALL = folded(TOOLS_CALL)

/**
 * Go's decoder takes members whatever their letter case, and takes `ſ` and the Kelvin sign for letters. Its second
 * version can be told to ignore `_` and `-`, too.
 */
const OF_A_MESSAGE = namesakes(['jsonrpc', 'id', 'method', 'params', 'result', 'error'])
const OF_PARAMS = namesakes(['name', 'uri', 'taskId'])

/** @throws {Denial} `request_malformed` */
export function readMessage(body: Uint8Array): Message {
  const message = parsed(body)
  if (!isObject(message)) throw malformed(Array.isArray(message) ? 'a batch' : 'no JSON-RPC message')
  refuseNamesakes(message, OF_A_MESSAGE)
  const { id, method, params = {} } = message
  if (method !== undefined && typeof method !== 'string') throw malformed('a method that is no text')
  if (method === undefined && !('result' in message) && !('error' in message)) throw malformed('no JSON-RPC message')
  if (!isObject(params)) throw malformed('params that are no object')
  refuseNamesakes(params, OF_PARAMS)
  if (method !== undefined) refuseBlanks('method', method)
  if (method !== undefined && method !== TOOLS_CALL && folded(method) === FOLDED_CALL)
    throw malformed(`another spelling of \`${TOOLS_CALL}\``)
  if (method === TOOLS_CALL) {
    if (typeof params.name !== 'string') throw malformed('a tool without a name')
    if (params.name.length > LONGEST_TOOL_NAME) throw malformed('a name that is too long for a tool')
    refuseBlanks('name', params.name)
  }
  return { id: echoed(id), method, params }
}

const LONGEST_ID = 256

function echoed(id: unknown): Message['id'] {
  return typeof id === 'number' || (typeof id === 'string' && id.length <= LONGEST_ID) ? id : undefined
}

function parsed(body: Uint8Array): unknown {
  try {
    return parseStrictOuterJson(body, MAX_DEPTH)
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed(error.message)
    throw error
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Namesakes {
  readonly names: ReadonlySet<string>
  readonly byFolded: ReadonlyMap<string, string>
}

function namesakes(names: readonly string[]): Namesakes {
  return { names: new Set(names), byFolded: new Map(names.map(name => [folded(name), name])) }
}

function refuseNamesakes(object: object, { names, byFolded }: Namesakes): void {
  for (const key of Object.keys(object)) {
    if (names.has(key)) continue
    const name = byFolded.get(folded(key))
    if (name !== undefined) throw malformed(`another spelling of \`${name}\``)
  }
}

/** Returns the same text for all names that some reader cannot tell apart. */
function folded(name: string): string {
  const text = name.replace(IGNORED_BY_SOME, '')
  // Attack: to normalise a long name takes time that grows with its square.
  return text.length > MOST_UNITS ? text : foldedName(text)
}

/** Readers with C strings cut a name at NUL, and others trim it. */
function refuseBlanks(what: string, text: string): void {
  if (/\p{Cc}/u.test(text) || text !== text.trim()) throw malformed(`a ${what} with blanks or control characters`)
}

export function malformed(what: string): Denial {
  return new Denial('request_malformed', { evidence: { what } })
}
