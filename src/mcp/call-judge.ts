/**
 * Judges calls of tools by their bodies, which are read for nothing else: the same bytes go on to the service.
 *
 * MCP 2025-11-25 and 2026-07-28, RFC 6750 §3.1 (`insufficient_scope`). The names in headers would not do: clients of
 * the older revision send none, and a server that ignores them would call another tool than the one that was judged.
 * So on a route with `mcp.tools` no body passes that nobody has judged.
 */
import { Denial, type DenialCode } from '../errors.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import { fieldValues } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { Principal, RequestFacts } from '../types.ts'
import { checkHeaders } from './header-agreement.ts'
import { type Message, malformed, readMessage, TOOLS_CALL } from './message.ts'
import { demandOf, type ToolDemand, toolRules } from './tool-rules.ts'

interface CallJudgeOptions {
  readonly tools: Parameters<typeof toolRules>[0]
  readonly others: 'refuse' | 'allow'
  readonly maxBytes: number
  /** What the route asks for, whichever tool is called: all of the one list, and any of the other. */
  readonly routeScopes: { readonly all: readonly string[]; readonly any: readonly string[] }
  /** @param tool as the configuration has it, or {@link OTHER_TOOL}, also for what is no message */
  readonly onCall: (tool: string, code: 'ok' | DenialCode) => void
}

/** MCP 2025-11-25, "Streamable HTTP": each message is a request of its own with this method. */
export const METHOD_OF_CALLS = 'POST'

/** Stands for every tool that the configuration does not name. */
export const OTHER_TOOL = 'other'

/** Who calls, as far as the head has told. */
interface Caller {
  /** Undefined for an anonymous one. */
  readonly principal: Principal | undefined
  /** What the route misses already, where that is a scope: what the tool asks for belongs into the same answer. */
  readonly lacking: Denial | undefined
}

export interface CallJudge {
  /** A longer body is refused. */
  readonly maxBytes: number
  /**
   * Says whether the request has a body that has to be judged.
   *
   * @param bodyBytes 0 without one, undefined when only its end tells
   * @throws {Denial} `request_malformed`: it has one that cannot be
   */
  judgesBodyOf(facts: RequestFacts, bodyBytes: number | undefined): boolean
  /** @throws {Denial} */
  judge(body: Uint8Array, facts: RequestFacts, caller: Caller): void
}

export function callJudge(options: CallJudgeOptions): CallJudge {
  const { others, maxBytes, routeScopes, onCall } = options
  const rules = toolRules(options.tools)

  function judgeCall(tool: string, { scopes: asked, readAs }: ToolDemand, { principal, lacking }: Caller): void {
    const known = evidenceText(tool)
    if (asked === undefined) {
      const evidence = { requirement: 'mcp.tools', seen: known, read_as: readAs?.name }
      throw lacking ?? new Denial('claim_forbidden', { evidence })
    }
    const missing = asked.filter(scope => principal?.scopes.has(scope) !== true)
    if (missing.length === 0 && lacking === undefined) return
    if (asked.length === 0 && lacking !== undefined) throw lacking
    const scope = [...new Set([...scopesOfRoute(principal), ...asked])].join(' ')
    if (principal === undefined) throw new Denial('token_missing', { evidence: { tool: known }, scope })
    throw new Denial('scope_missing', {
      evidence: {
        requirement: 'mcp.tools',
        tool: known,
        ...lacking?.evidence,
        missing: [lacking?.evidence?.missing ?? [], missing].flat(),
        granted: [...principal.scopes],
      },
      provider: principal.provider,
      scope,
    })
  }

  function counted<T>(label: string, judge: () => T): T {
    try {
      return judge()
    } catch (error) {
      if (error instanceof Denial) onCall(label, error.code)
      throw error
    }
  }

  /** A client asks for exactly what it is told, so that it would lose the one of several that it has. */
  function scopesOfRoute(principal: Principal | undefined): readonly string[] {
    const { all, any } = routeScopes
    return [...all, ...[any.find(scope => principal?.scopes.has(scope)) ?? any[0] ?? []].flat()]
  }

  return Object.freeze({
    maxBytes,
    judgesBodyOf: (facts, bodyBytes) => {
      if (isUpgrade(facts)) throw malformed('an upgrade, behind which nobody could judge what is called')
      if (facts.method === METHOD_OF_CALLS) {
        checkType(facts)
        return true
      }
      if (bodyBytes !== 0) throw malformed(`a body with ${facts.method}`)
      return false
    },
    judge: (body, facts, caller) => {
      const { method, params } = counted(OTHER_TOOL, () => messageOf(body, facts))
      if (method === TOOLS_CALL) {
        const tool = String(params.name)
        const demand = demandOf(rules, others, tool)
        const label = demand.rule?.name ?? OTHER_TOOL
        counted(label, () => judgeCall(tool, demand, caller))
        onCall(label, 'ok')
      } else if (caller.lacking !== undefined) throw caller.lacking
    },
  } satisfies CallJudge)
}

function messageOf(body: Uint8Array, { rawHeaders }: RequestFacts): Message {
  const message = readMessage(body)
  checkHeaders(rawHeaders, message)
  return message
}

function isUpgrade({ rawHeaders }: RequestFacts): boolean {
  return fieldValues(rawHeaders, 'upgrade').some(value => /websocket/i.test(value))
}

/** JSON is UTF-8 (RFC 8259 §8.1). A server that goes by another charset, or decodes first, would read another body. */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i

/** @throws {Denial} `request_malformed` */
function checkType({ rawHeaders }: RequestFacts): void {
  let type: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = foldedFieldName(rawHeaders[i] as string)
    if (name === 'content-encoding') throw malformed('Content-Encoding')
    if (name !== 'content-type') continue
    if (type !== undefined) throw malformed('more than one Content-Type')
    type = rawHeaders[i + 1]
  }
  if (type === undefined || !JSON_TYPE.test(type)) throw malformed('Content-Type')
}
