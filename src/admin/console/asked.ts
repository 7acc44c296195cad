/**
 * Says in words what a route asks for, from what the status has of it: keys of the route with their values. What says
 * nothing of the caller is left out, and a key that has no words here is shown as it is.
 */
import { code, type Element, type Node, node } from './nodes.ts'

/** Shown elsewhere, or no matter of the caller. */
const LEFT_OUT: ReadonlySet<string> = new Set(['access', 'mode', 'upstream', 'passAuthorization', 'cors'])

const ACCESS: Readonly<Record<string, string>> = {
  public: 'nothing, it is public',
  optional: 'a token, or none',
  required: 'a token',
}

const WORDS: Readonly<Record<string, string>> = {
  scopes: 'scopes',
  anyScope: 'one of the scopes',
  roles: 'roles',
  anyRole: 'one of the roles',
  proof: 'proof by',
  authAge: 'login no older than',
  tokenAge: 'token no older than',
  providers: 'providers',
  audiences: 'audiences',
  rateLimits: 'no more than',
}

export function asked(asks: Readonly<Record<string, unknown>>, access: string): readonly Node[] {
  const { require = {}, ...others } = asks
  const own = Object.entries(others).filter(([key]) => !LEFT_OUT.has(key))
  const { claims = {}, ...required } = isRecord(require) ? require : {}
  return [
    node('p', {}, ACCESS[access] ?? access),
    ...Object.entries(required).map(([key, value]) => line(WORDS[key] ?? key, value)),
    ...(isRecord(claims) ? Object.entries(claims).map(([claim, rule]) => line(`claim ${claim}`, ruleOf(rule))) : []),
    ...own.map(([key, value]) => line(WORDS[key] ?? key, value)),
  ]
}

function line(words: string, value: unknown): Element {
  const values = Array.isArray(value) ? value : [value]
  return node(
    'p',
    {},
    node('span', { class: 'faint' }, `${words} `),
    ...values.flatMap(each => [code(textOf(each)), ' ']),
  )
}

/** Most rules list the values that will do. */
function ruleOf(rule: unknown): unknown {
  return isRecord(rule) && Array.isArray(rule.anyOf) && Object.keys(rule).length === 1 ? rule.anyOf : rule
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
