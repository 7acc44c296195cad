/** Shows what was wanted and what was seen: in a few words for a line of the list, and member by member. */
import { DENIALS, type DenialCode } from '../../errors.ts'
import type { RecentRefusal } from '../recent.ts'
import { code, moment, type Node, pairs } from './nodes.ts'

/** What is known from the code alone, where its title says less. */
const WITHOUT_EVIDENCE: Partial<Readonly<Record<DenialCode, string>>> = {
  token_missing: 'wanted a token, saw none',
  route_unknown: 'no route takes this request',
  scheme_unsupported: 'wanted a Bearer token, saw another scheme',
}

/** Claims that are moments, which no person reads as numbers. */
const MOMENTS: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat', 'auth_time'])

/** Says it in a few words. What every token has, such as its algorithm, is left to {@link evidenceNodes}. */
export function inShort({ code: name, evidence: found = {} }: RecentRefusal): readonly Node[] {
  const { missing, requirement, wanted, accepted, claim, reason, what } = found
  const seen = found.seen ?? found.saw ?? found.aud
  if (name === 'token_expired' && isMoment(found.exp)) return ['expired ', momentOf(found.exp)]
  if (name === 'token_not_yet_valid' && isMoment(found.nbf)) return ['begins ', momentOf(found.nbf)]
  if (missing !== undefined) return [`lacks ${nounOf(requirement)} `, ...valueNodes(missing)]
  if (claim !== undefined) return ['claim ', code(textOf(claim)), `: ${seen === undefined ? reason : `saw ${seen}`}`]
  const expected = wanted ?? accepted
  if (expected !== undefined)
    return ['wanted ', ...valueNodes(expected), ...(seen === undefined ? [] : [' saw ', ...valueNodes(seen)])]
  if (name === 'rate_limited' && found.limits !== undefined) return ['beyond ', ...valueNodes(found.limits)]
  if (typeof reason === 'string') return [reason]
  if (typeof what === 'string') return [what]
  if (name === 'issuer_unknown' && found.iss !== undefined) return ['issuer ', code(textOf(found.iss))]
  return [sentenceOf(name)]
}

export function evidenceNodes({ code: name, evidence: found }: RecentRefusal): readonly Node[] {
  if (found === undefined) return [sentenceOf(name)]
  const shown = Object.entries(found).map(([member, value]): readonly [string, Node | readonly Node[]] => [
    member.replaceAll('_', ' '),
    MOMENTS.has(member) && isMoment(value) ? momentOf(value) : valueNodes(value),
  ])
  return [pairs('evidence', shown)]
}

function sentenceOf(name: DenialCode): string {
  return WITHOUT_EVIDENCE[name] ?? DENIALS[name].title
}

/** What a requirement of a route is about, as words for one who lacks it. */
function nounOf(requirement: unknown): string {
  const words: Readonly<Record<string, string>> = {
    scopes: 'scope',
    anyScope: 'any scope of',
    roles: 'role',
    anyRole: 'any role of',
  }
  const name = textOf(requirement)
  return words[name] ?? name
}

function isMoment(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) < 1e11
}

function momentOf(seconds: number): Node {
  return moment(new Date(seconds * 1000).toISOString())
}

function valueNodes(value: unknown): readonly Node[] {
  const values = Array.isArray(value) ? value : [value]
  return values.length === 0 ? ['none'] : values.flatMap((each, at) => [at === 0 ? '' : ' ', code(textOf(each))])
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
}
