/**
 * Compares which tools may be called on two routes, and with which scopes.
 *
 * Names are told apart by the lines of both files only, so one name for each way to meet them (`tool-names.ts`) stands
 * for all there are.
 */
import { isDeepStrictEqual } from 'node:util'
import type { RouteConfig } from '../../config/schema/schema.ts'
import { askedOfCall, lineOf, OTHERS } from '../engine/tool-call.ts'
import { type Difference, limitBytes, type Pair } from './strictness.ts'
import { toolNames } from './tool-names.ts'

type Mcp = NonNullable<RouteConfig['mcp']>
type Calling = Pick<RouteConfig, 'access' | 'mode' | 'mcp' | 'require'>

export function toolDifferences(name: string, { before, after }: Pair<Calling>): readonly Difference[] {
  const [from, to] = [judged(before), judged(after)]
  if (from === undefined && to === undefined) return []
  if (from === undefined) return [{ direction: 'tightened', text: `${name}.tools: now says who may call what` }]
  if (to === undefined) return [{ direction: 'loosened', text: `${name}.tools: no longer says who may call what` }]
  const bounds = limitBytes(`${name}.maxBody`, from.maxBody, to.maxBody)
  // Where only one of them enforces what it asks, the mode says so of all tools.
  if (before.mode === 'report' || after.mode === 'report') return bounds
  const { written, spellings } = toolNames([...new Set([...keysOf(from), ...keysOf(to)])])
  const asked = (tool: string): AskedOnSides => [askedOfCall(from, tool).scopes, askedOfCall(to, tool).scopes]
  const ofLine = new Map(written.map(each => [each.line, asked(each.name)]))
  const askedOfAll: Pair<readonly string[]> = { before: askedOfCaller(before), after: askedOfCaller(after) }
  const told = new Map(
    written.map(({ line, name: tool }) => [line, scopeDifferences(wordsOf(name, line), asked(tool), askedOfAll)]),
  )
  // What is said of all names that meet a line is not said again of those that look like another one.
  const ofSpellings = spellings
    .filter(({ line, name: tool }) => !isDeepStrictEqual(asked(tool), ofLine.get(line)))
    .flatMap(({ readAs, name: tool }) =>
      scopeDifferences(wordsOfSpelling(name, readAs), asked(tool), askedOfAll).filter(
        ({ direction }) => !told.get(readAs)?.some(each => each.direction === direction),
      ),
    )
  const found = [...[...told.values()].flat(), ...ofSpellings]
  return [...new Map(found.map(each => [each.text, each])).values(), ...bounds]
}

function judged({ mcp }: Calling): Mcp | undefined {
  return mcp?.tools === undefined ? undefined : mcp
}

function keysOf({ tools = {} }: Mcp): readonly string[] {
  return Object.keys(tools)
}

interface Words {
  /** Is called now, and could not be. */
  readonly opened: string
  readonly closed: string
  /** What asks for the scopes. */
  readonly asking: string
}

/** @param line undefined for the names that neither file lists */
function wordsOf(key: string, line: string | undefined): Words {
  if (line === undefined)
    return { opened: `${OTHERS}: refuse → allow`, closed: `${OTHERS}: allow → refuse`, asking: OTHERS }
  return { opened: `${key}.tools: or ${line}`, closed: `${key}.tools: not ${line} any more`, asking: lineOf(line) }
}

function wordsOfSpelling(key: string, readAs: string): Words {
  const spelling = `another spelling of ${readAs}`
  return {
    opened: `${key}.tools: or ${spelling}`,
    closed: `${key}.tools: not ${spelling} any more`,
    asking: `${key}.tools: ${spelling}`,
  }
}

/** The scopes of one tool before and after; undefined where it may not be called. */
type AskedOnSides = readonly [before: readonly string[] | undefined, after: readonly string[] | undefined]

function scopeDifferences(
  words: Words,
  [was, is]: AskedOnSides,
  askedOfAll: Pair<readonly string[]>,
): readonly Difference[] {
  if (was === undefined && is === undefined) return []
  if (was === undefined) return [{ direction: 'loosened', text: words.opened }]
  if (is === undefined) return [{ direction: 'tightened', text: words.closed }]
  const lost = was.filter(scope => ![...is, ...askedOfAll.after].includes(scope))
  const gained = is.filter(scope => ![...was, ...askedOfAll.before].includes(scope))
  return [
    ...lost.map(scope => ({ direction: 'loosened' as const, text: `${words.asking}: no longer ${scope}` })),
    ...gained.map(scope => ({ direction: 'tightened' as const, text: `${words.asking}: also ${scope}` })),
  ]
}

/** Whoever brings no token gets around what an optional route asks for, and not around what a tool does. */
function askedOfCaller({ access, require }: Calling): readonly string[] {
  return access === 'required' ? (require?.scopes ?? []) : []
}
