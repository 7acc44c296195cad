/** Shows what a route asks of the caller of a tool, on top of what it asks of everybody. */
import type { RouteConfig } from '../../config/schema/schema.ts'
import type { Denial } from '../../errors.ts'
import type { RequestFacts } from '../../types.ts'
import { askedOfCall, isJudged, lineOf, missingForCall } from '../engine/tool-call.ts'
import type { Trial } from '../engine/trial.ts'
import { denialText } from './denial-text.ts'
import type { ExplainedCheck } from './explained-check.ts'

/** @param tool undefined for a message that calls none */
export function callChecks(
  { findings: { route, principal, reported }, denial }: Trial,
  request: RequestFacts,
  { mcp }: RouteConfig,
  tool: string | undefined,
): readonly ExplainedCheck[] {
  if (mcp?.tools === undefined) return []
  const refusal = denial ?? reported
  const check = 'mcp.tools'
  if (principal !== undefined && (refusal?.code === 'request_malformed' || refusal?.code === 'body_too_large'))
    return [{ check, result: 'fails', wanted: 'a message that can be judged', saw: denialText(refusal) }]
  if (!isJudged(route, request))
    return [{ check, result: 'skipped', wanted: 'nothing: only a POST calls tools', saw: request.method }]
  if (tool === undefined) {
    const saw = 'a message that calls none is assumed; --tool names one'
    return [{ check, result: 'skipped', wanted: 'a tool, to say what it asks for', saw }]
  }
  const asked = askedOfCall(mcp, tool)
  const { line, scopes, isOtherSpelling } = asked
  if (isOtherSpelling) {
    const saw = `${tool}, which a service that ignores letter case takes for it`
    return [{ check: line, result: 'fails', wanted: 'its name as the file spells it', saw }]
  }
  if (scopes === undefined) {
    const names = Object.keys(mcp.tools).map(lineOf)
    return [{ check: line, result: 'fails', wanted: `a tool of ${names.join(' or ')}`, saw: tool }]
  }
  const wanted = scopes.join(' and ') || 'no further scope'
  if (principal === undefined && !isAnonymous(refusal))
    return [{ check: line, result: 'skipped', wanted, saw: 'nobody to ask it of' }]
  const result = missingForCall(asked, principal).length === 0 ? 'ok' : 'fails'
  return [{ check: line, result, wanted, saw: [...(principal?.scopes ?? [])].join(' ') || 'nothing' }]
}

/** Whether the request got as far as its tool without a token, as it may where the route lets it. */
export function isAnonymous(refusal: Denial | undefined): boolean {
  return refusal === undefined || refusal.evidence?.tool !== undefined || refusal.evidence?.requirement === 'mcp.tools'
}
