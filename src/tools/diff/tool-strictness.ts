/**
 * Compares which tools may be called on two routes, and with which scopes.
 *
 * Names are told apart by the lines of both files only, so one name for each line that it may meet, and one that meets
 * none, stand for all there are.
 */
import type { RouteConfig } from '../../config/schema/schema.ts'
import { askedOfCall, OTHERS } from '../engine/tool-call.ts'
import { type Difference, limit, type Pair } from './strictness.ts'

type Mcp = NonNullable<RouteConfig['mcp']>
type Calling = Pick<RouteConfig, 'access' | 'mode' | 'mcp' | 'require'>

export function toolDifferences(name: string, { before, after }: Pair<Calling>): readonly Difference[] {
  const [from, to] = [judged(before), judged(after)]
  if (from === undefined && to === undefined) return []
  if (from === undefined) return [{ direction: 'tightened', text: `${name}.tools: now says who may call what` }]
  if (to === undefined) return [{ direction: 'loosened', text: `${name}.tools: no longer says who may call what` }]
  const bounds = limit(`${name}.maxBody`, from.maxBody, to.maxBody)
  // Where only one of them enforces what it asks, the mode says so of all tools.
  if (before.mode === 'report' || after.mode === 'report') return bounds
  const tools = namesOf(from, to).flatMap(each => differencesOfTool(name, each, [before, from], [after, to]))
  return [...tools, ...bounds]
}

function judged({ mcp }: Calling): Mcp | undefined {
  return mcp?.tools === undefined ? undefined : mcp
}

/** Stands for all names that meet the same lines. */
interface ToolName {
  readonly name: string
  /** As the files have it; undefined for the names that neither lists. */
  readonly line: string | undefined
}

function namesOf({ tools: before = {} }: Mcp, { tools: after = {} }: Mcp): readonly ToolName[] {
  const lines = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const beginnings = lines.filter(isBeginning).map(line => line.slice(0, -1))
  // Whatever stands in a line, this many signs of it do not continue it to be another one.
  const rest = 'x'.repeat(1 + Math.max(0, ...lines.map(({ length }) => length)))
  const named = (beginning: string): string => {
    const continued = beginnings.filter(each => each.length > beginning.length && each.startsWith(beginning))
    const taken = new Set(continued.map(each => each.charAt(beginning.length)))
    return beginning + unlike(taken) + rest
  }
  return [
    ...lines.map(line => ({ line, name: isBeginning(line) ? named(line.slice(0, -1)) : line })),
    ...(beginnings.includes('') ? [] : [{ line: undefined, name: named('') }]),
  ]
}

function isBeginning(line: string): boolean {
  return line.endsWith('*')
}

/** Returns a sign that is none of these. */
function unlike(taken: ReadonlySet<string>): string {
  for (let code = 'x'.charCodeAt(0); ; code++) {
    const sign = String.fromCharCode(code)
    if (!taken.has(sign)) return sign
  }
}

type Side = readonly [route: Calling, mcp: Mcp]

function differencesOfTool(
  key: string,
  { name, line }: ToolName,
  [before, from]: Side,
  [after, to]: Side,
): readonly Difference[] {
  const [was, is] = [askedOfCall(from, name).scopes, askedOfCall(to, name).scopes]
  if (was === undefined && is === undefined) return []
  const what = line === undefined ? `${OTHERS}: refuse → allow` : `${key}.tools: or ${line}`
  if (was === undefined) return [{ direction: 'loosened', text: what }]
  if (is === undefined) {
    const text = line === undefined ? `${OTHERS}: allow → refuse` : `${key}.tools: not ${line} any more`
    return [{ direction: 'tightened', text }]
  }
  const scopes = line === undefined ? OTHERS : `${key}.tools.${line}`
  const lost = was.filter(scope => ![...is, ...askedOfAll(after)].includes(scope))
  const gained = is.filter(scope => ![...was, ...askedOfAll(before)].includes(scope))
  return [
    ...lost.map(scope => ({ direction: 'loosened' as const, text: `${scopes}: no longer ${scope}` })),
    ...gained.map(scope => ({ direction: 'tightened' as const, text: `${scopes}: also ${scope}` })),
  ]
}

/** Whoever brings no token gets around what an optional route asks for, and not around what a tool does. */
function askedOfAll({ access, require }: Calling): readonly string[] {
  return access === 'required' ? (require?.scopes ?? []) : []
}
