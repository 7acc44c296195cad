/**
 * Turns what zod found into findings: one per problem, in sentences that name the remedy.
 *
 * A message continues the path that it is printed after: `routes[1].methods[0]` "must be one of …". It never repeats a
 * value that may be secret, nor a long one. Positions in the text are not known here.
 */
import type * as z from 'zod'
import { foreignKeyAdvice, writtenExample } from '../schema/foreign-keys.ts'
import { didYouMean } from '../schema/suggest.ts'

export type Path = ReadonlyArray<string | number>

/** Says one thing that is wrong with a value. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** The report points at the key or at its value; at the value by default. */
  readonly at?: 'key' | 'value'
  /** It is set when the type is wrong, since another reading of the same text may then be right. */
  readonly wrong?: 'type'
  /** It is set when the type is wrong and that of a text, or of a list, would be right. */
  readonly wanted?: 'text' | 'list'
  /** The finding means nothing while this section is wrong: it may only look empty, or as if it were not there. */
  readonly about?:
    | 'providers'
    | 'upstreams'
    | 'admin'
    | 'store'
    | 'revocation'
    | 'dpop'
    | 'clientCertificate'
    | 'cors'
    | 'resources'
    | 'routes'
    | 'limits'
    | 'rateLimits'
  /** Another place that the value collides with. It is told when it is in another file. */
  readonly other?: Path
  /** It is set when only a part of a text is meant: the text as it was read, and the place in it. */
  readonly within?: { readonly text: string; readonly offset: number }
  /** It is set when the offset in the text is known more exactly than from the path. */
  readonly offset?: number
}

type Issue = z.core.$ZodIssue
type RawIssue = z.core.$ZodRawIssue

/** Makes one finding of each problem of a failed parse. */
export function findings(error: z.core.$ZodError): readonly Finding[] {
  return error.issues.flatMap(issue => fromIssue(issue, []))
}

/** Words a problem. zod calls this while it still has the value and the schema at hand. */
export function problemText(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return typeText(issue.input, EXPECTED[String(issue.expected)] ?? String(issue.expected)) + defaults(issue)
    case 'unrecognized_keys':
      return unknownKeyTexts(issue.keys ?? [], issue.inst)
    case 'invalid_value':
      return choiceText(issue.input, textsOf(issue.values))
    case 'invalid_union':
      return issue.discriminator === undefined
        ? given(issue.input)
        : choiceText(member(issue.input, issue.discriminator), textsOf(issue.options))
    case 'too_small':
      return issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}`
    case 'too_big':
      return `must be at most ${issue.maximum}`
    default:
      return undefined
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: '`true` or `false`',
  array: 'a list',
  object: 'a block of keys',
  record: 'a block of keys',
}

function fromIssue(issue: Issue, parent: Path): readonly Finding[] {
  const steps: readonly PropertyKey[] = issue.path
  const path = [...parent, ...steps.map(step => (typeof step === 'number' ? step : String(step)))]
  switch (issue.code) {
    case 'unrecognized_keys': {
      const messages = issue.message.split('\n')
      return issue.keys.map((key, index) => ({ path: [...path, key], message: messages[index] ?? '', at: 'key' }))
    }
    case 'invalid_key':
      return issue.issues.slice(0, 1).map(({ message }) => ({ path, message, at: 'key' }))
    case 'invalid_union':
      return fromUnion(issue, path)
    case 'invalid_type':
      return [{ path, message: withExample(issue.message, path), wrong: 'type', ...wanted([issue.expected]) }]
    default:
      return [{ path, message: issue.message }]
  }
}

/** Takes the branch whose outermost type fits what was given for the one that was meant. */
function fromUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path): readonly Finding[] {
  const branches: readonly (readonly Issue[])[] = issue.errors
  if (branches.length === 0) return [{ path, message: issue.message }]
  const [meant] = branches.filter(branch => !branch.some(isOutermostType))
  if (meant !== undefined) return meant.flatMap(each => fromIssue(each, path))
  const flat = branches.flat().flatMap(each => fromIssue(each, path))
  if (flat.some(({ message }) => message === EMPTY || message.startsWith(MISSING))) return flat.slice(0, 1)
  const expected = branches.flatMap(branch => branch.filter(isOutermostType).map(expectedText))
  const message = `must be ${[...new Set(expected.flat())].join(' or ')}, not ${issue.message}`
  return [{ path, message, wrong: 'type', ...wanted(branches.flat().flatMap(typesOf)) }]
}

/** Shows what is missing, and the block that a text or a list stands in place of. */
function withExample(message: string, path: Path): string {
  return message === MISSING || /^must be a (?:block|list)\b[^;]*$/.test(message)
    ? `${message}${writtenExample(path)}`
    : message
}

function wanted(types: readonly string[]): Pick<Finding, 'wanted'> {
  if (types.includes('string')) return { wanted: 'text' }
  return types.includes('array') ? { wanted: 'list' } : {}
}

/** Lists the types that would fit, of all branches of a union. */
function typesOf(issue: Issue): readonly string[] {
  if (issue.path.length > 0) return []
  if (issue.code === 'invalid_type') return [issue.expected]
  return issue.code === 'invalid_union' ? issue.errors.flat().flatMap(typesOf) : []
}

function isOutermostType(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || isTypeUnion(issue))
}

function isTypeUnion(issue: Issue): boolean {
  return (
    issue.code === 'invalid_union' && issue.errors.length > 0 && issue.errors.every(each => each.some(isOutermostType))
  )
}

function expectedText(issue: Issue): readonly string[] {
  if (issue.code === 'invalid_type') return [EXPECTED[issue.expected] ?? issue.expected]
  return issue.code === 'invalid_union' ? issue.errors.flat().flatMap(expectedText) : []
}

const MISSING = 'is missing'
const EMPTY = 'has no value; give one, or leave the key out'

function typeText(input: unknown, expected: string): string {
  if (input === undefined) return MISSING
  if (input === null) return EMPTY
  const remedy =
    expected === 'text' && typeof input !== 'object'
      ? '; put it in quotes'
      : expected === 'a list' && typeof input !== 'object'
        ? '; put it in `[ ]`'
        : expected === 'text' && isPair(input)
          ? ': a colon with a blank after it makes a key; leave out the blank, or put the text in quotes'
          : ''
  return `must be ${expected}, not ${given(input)}${remedy}`
}

/** Where `true` is to switch a feature on, says how that is written. */
function defaults({ input, inst }: RawIssue): string {
  const shape = input === true ? shapeOf(inst) : undefined
  if (shape === undefined) return ''
  const isOptional = (key: unknown): boolean => member(member(key, '_zod'), 'optin') !== undefined
  return Object.values(shape).every(isOptional) ? '; write `{}` for its defaults' : ''
}

/** Is true of what YAML makes of `orders: read` in a list of scopes. */
function isPair(input: unknown): boolean {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false
  const values: readonly unknown[] = Object.values(input)
  return values.length === 1 && typeof values[0] !== 'object'
}

function given(input: unknown): string {
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'object') return 'a block of keys'
  if (typeof input === 'string') return 'text'
  return typeof input === 'number' ? 'a number' : '`true` or `false`'
}

/** Writes a line for each unknown key, in the order of the keys, since zod reports all of them in one problem. */
function unknownKeyTexts(keys: readonly string[], schema: unknown): string {
  const known = shapeKeys(schema)
  return keys
    .map(key => {
      const advice = foreignKeyAdvice(key, known)
      const remedy =
        advice === undefined
          ? didYouMean(key, known) || deeper(key, schema) || ` Known here: ${known.join(', ')}.`
          : ` ${advice}`
      return `is not a known key.${remedy}`
    })
    .join('\n')
}

/** Says in which block beside it the key belongs. Where many have it, none of them is a likely slip. */
function deeper(key: string, schema: unknown): string {
  const blocks = shapeKeys(schema).filter(name => shapeKeys(shapeOf(schema)?.[name]).includes(key))
  if (blocks.length === 0 || blocks.length > 2) return ''
  return ` It belongs into ${blocks.map(block => `\`${block}\``).join(' or ')}.`
}

function shapeKeys(schema: unknown): readonly string[] {
  return Object.keys(shapeOf(schema) ?? {})
}

/** @returns the keys of a block, which may be optional or have a default */
function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const definition = member(member(schema, '_zod'), 'def')
  const inner = member(definition, 'innerType')
  if (inner !== undefined) return shapeOf(inner)
  const shape = member(definition, 'shape')
  return typeof shape === 'object' && shape !== null ? { ...shape } : undefined
}

function choiceText(input: unknown, choices: readonly string[]): string {
  const near = typeof input === 'string' ? didYouMean(input, choices) : ''
  const listed = choices.map(choice => `\`${choice}\``).join(', ')
  const one = choices.length === 1 ? listed : `one of ${listed}`
  if (input === undefined) return `${MISSING}; write ${one}`
  if (near === '' && choices.includes('jwt')) return `must be ${one}: ${PROVIDER_TYPES}`
  return choices.length === 1 ? `must be ${one}` : `must be ${one}.${near}`
}

/** People look for `oidc`, which is two things here. */
const PROVIDER_TYPES =
  'the first verifies tokens, the second asks a server about them, the third logs browsers in, the fourth verifies JWT-SVIDs of workloads'

function textsOf(choices: unknown): readonly string[] {
  return Array.isArray(choices) ? choices.map(String) : []
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}
