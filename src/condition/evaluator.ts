/**
 * Turns the tree of a condition into a function of its variables, once, when the configuration is read.
 *
 * CEL specification, "Evaluation". The library that reads conditions could evaluate them, too. It remembers the type of
 * every value that it has seen and throws what fails, so that tokens could hold up other requests and fill the memory.
 * Here nothing is remembered, and what fails is a value that has been made before.
 */
import { type ArithmeticOperator, counted, OVERFLOW } from './arithmetic.ts'
import { functionOf, methodOf } from './calls.ts'
import { Failure } from './failure.ts'
import { CONCLUDE } from './quantifiers.ts'
import { type Comprehension, comprehensionOf, partsOf, type Tree, textOf } from './tree.ts'
import { type Block, isBlock, isEqual, isIn, namesIn, order } from './values.ts'
import { costNs, PRICES_NS, type Purse } from './work.ts'

interface Scope extends Purse {
  readonly values: Block
  /** What a macro looks at just now. There is one at a time, since none stands within another. */
  element: unknown
  /** The part for which nothing was left. */
  stoppedAt: Failure | undefined
}

type Evaluate = (scope: Scope) => unknown

/** @returns gives the value, or a {@link Failure}; also of a condition that would be decided, had it more to spend */
export function evaluator(tree: Tree): (values: Block, budgetNs: number) => unknown {
  const evaluate = compiled(tree, undefined)
  return (values, budgetNs) => {
    const scope: Scope = { values, leftNs: budgetNs, element: undefined, stoppedAt: undefined }
    const value = evaluate(scope)
    return scope.stoppedAt ?? value
  }
}

/** @param bound the variable of the macro that the node stands in */
type Compile<T = Tree> = (tree: T, bound: string | undefined) => Evaluate

const COMPILE: { readonly [Op in Tree['op']]: Compile<Extract<Tree, { op: Op }>> } = {
  value: ({ args }) => constant(args),
  id: variable,
  '.': member,
  '[]': element,
  call,
  rcall: method,
  list,
  '?:': choice,
  '&&': (tree, bound) => joined(tree, bound, false),
  '||': (tree, bound) => joined(tree, bound, true),
  '!_': negation,
  '-_': sign,
  '==': (tree, bound) => binary(tree, bound, isEqual),
  '!=': (tree, bound) => binary(tree, bound, (one, other, purse) => !isEqual(one, other, purse)),
  '<': (tree, bound) => ordered(tree, bound, found => found < 0),
  '<=': (tree, bound) => ordered(tree, bound, found => found <= 0),
  '>': (tree, bound) => ordered(tree, bound, found => found > 0),
  '>=': (tree, bound) => ordered(tree, bound, found => found >= 0),
  in: (tree, bound) => binary(tree, bound, isIn),
  '+': arithmetic,
  '-': arithmetic,
  '*': arithmetic,
  '/': arithmetic,
  '%': arithmetic,
  map: unfenced,
  '.?': unfenced,
  '[?]': unfenced,
}

function compiled(tree: Tree, bound: string | undefined): Evaluate {
  return (COMPILE[tree.op] as Compile)(tree, bound)
}

/** @throws {Error} the fence lets none of them pass */
function unfenced(tree: Tree): never {
  throw new Error(`${textOf(tree)} cannot be evaluated`)
}

function constant(value: unknown): Evaluate {
  return () => value
}

function variable(tree: Extract<Tree, { op: 'id' }>, bound: string | undefined): Evaluate {
  const name = tree.args
  if (name === bound) return scope => scope.element
  const missing = new Failure('no_such_key', tree)
  return scope => scope.values[name] ?? missing
}

function member(tree: Extract<Tree, { op: '.' }>, bound: string | undefined): Evaluate {
  const [of, name] = tree.args
  const evaluate = compiled(of, bound)
  const missing = new Failure('no_such_key', tree)
  return scope => {
    const value = evaluate(scope)
    if (value instanceof Failure) return value
    return isBlock(value) && Object.hasOwn(value, name) ? value[name] : missing
  }
}

function element(tree: Extract<Tree, { op: '[]' }>, bound: string | undefined): Evaluate {
  const missing = new Failure('no_such_key', tree)
  return binary(tree, bound, (of, at) => {
    // A number is no name of a member, and a name is no place in a list.
    if (Array.isArray(of)) return typeof at === 'bigint' && at >= 0n && at < of.length ? of[Number(at)] : missing
    return isBlock(of) && typeof at === 'string' && Object.hasOwn(of, at) ? of[at] : missing
  })
}

/** @param operate gives undefined for values that the operator is not for */
function binary(
  tree: Tree,
  bound: string | undefined,
  operate: (one: unknown, other: unknown, purse: Purse) => unknown,
): Evaluate {
  const [one, other] = partsOf(tree).map(part => compiled(part, bound)) as [Evaluate, Evaluate]
  const unfit = new Failure('no_such_overload', tree)
  const stop = stopping(tree)
  return scope => {
    const left = one(scope)
    if (left instanceof Failure) return left
    const right = other(scope)
    if (right instanceof Failure) return right
    const value = operate(left, right, scope)
    if (scope.leftNs < 0) return stop(scope)
    return value === undefined ? unfit : value
  }
}

/** What is stopped at first is what is told. */
function stopping(tree: Tree): (scope: Scope) => Failure {
  const tooLong = new Failure('too_long', tree)
  return scope => (scope.stoppedAt ??= tooLong)
}

function ordered(tree: Tree, bound: string | undefined, holds: (found: number) => boolean): Evaluate {
  return binary(tree, bound, (one, other, purse) => {
    const found = order(one, other, purse)
    return found === undefined ? undefined : holds(found)
  })
}

function arithmetic(tree: Extract<Tree, { op: ArithmeticOperator }>, bound: string | undefined): Evaluate {
  const overflow = new Failure('numeric_overflow', tree)
  return binary(tree, bound, (one, other, purse) => {
    const value = counted(tree.op, one, other)
    if (typeof value === 'string') purse.leftNs -= PRICES_NS.character * value.length
    return value === OVERFLOW ? overflow : value
  })
}

function sign(tree: Extract<Tree, { op: '-_' }>, bound: string | undefined): Evaluate {
  return unary(tree, tree.args, bound, value =>
    typeof value === 'number' || typeof value === 'bigint' ? -value : undefined,
  )
}

function negation(tree: Extract<Tree, { op: '!_' }>, bound: string | undefined): Evaluate {
  return unary(tree, tree.args, bound, value => (typeof value === 'boolean' ? !value : undefined))
}

function unary(tree: Tree, part: Tree, bound: string | undefined, operate: (value: unknown) => unknown): Evaluate {
  const evaluate = compiled(part, bound)
  const unfit = new Failure('no_such_overload', tree)
  return scope => {
    const value = evaluate(scope)
    return value instanceof Failure ? value : (operate(value) ?? unfit)
  }
}

/** What is no answer is a failure. @returns `true`, `false`, or a {@link Failure} */
function answer(tree: Tree, bound: string | undefined): (scope: Scope) => boolean | Failure {
  const evaluate = compiled(tree, bound)
  const unfit = new Failure('no_such_overload', tree)
  return scope => {
    const value = evaluate(scope)
    return typeof value === 'boolean' || value instanceof Failure ? value : unfit
  }
}

/** @param decisive decides whatever the other side is, also where that fails */
function joined(tree: Extract<Tree, { op: '&&' | '||' }>, bound: string | undefined, decisive: boolean): Evaluate {
  const [one, other] = tree.args.map(part => answer(part, bound)) as [Evaluate, Evaluate]
  return scope => {
    const left = one(scope)
    if (left === decisive) return left
    const right = other(scope)
    return right === decisive || !(left instanceof Failure) ? right : left
  }
}

function choice(tree: Extract<Tree, { op: '?:' }>, bound: string | undefined): Evaluate {
  const [asked, one, other] = tree.args
  const [answered, ifSo, ifNot] = [answer(asked, bound), compiled(one, bound), compiled(other, bound)]
  return scope => {
    const found = answered(scope)
    return found instanceof Failure ? found : found ? ifSo(scope) : ifNot(scope)
  }
}

function list(tree: Extract<Tree, { op: 'list' }>, bound: string | undefined): Evaluate {
  if (tree.args.every(({ op }) => op === 'value')) return constant(tree.args.map(({ args }) => args))
  return all(tree, tree.args, { bound, operate: values => values })
}

interface Operation {
  readonly bound: string | undefined
  /** It gives undefined for values that it is not for. */
  readonly operate: (values: readonly unknown[], purse: Purse) => unknown
}

/** @returns what is made of the values of several parts, or the first failure of one */
function all(tree: Tree, parts: readonly Tree[], { bound, operate }: Operation): Evaluate {
  const evaluates = parts.map(part => compiled(part, bound))
  const unfit = new Failure('no_such_overload', tree)
  const stop = stopping(tree)
  return scope => {
    const values: unknown[] = []
    for (const evaluate of evaluates) {
      const value = evaluate(scope)
      if (value instanceof Failure) return value
      values.push(value)
    }
    const value = operate(values, scope)
    if (scope.leftNs < 0) return stop(scope)
    return value === undefined ? unfit : value
  }
}

function call(tree: Extract<Tree, { op: 'call' }>, bound: string | undefined): Evaluate {
  const [name, given] = tree.args
  return name === 'has' ? presence(tree, bound) : all(tree, given, { bound, operate: functionOf(name, given) })
}

/** A member that is null is there, and what is no block has no members. */
function presence(tree: Extract<Tree, { op: 'call' }>, bound: string | undefined): Evaluate {
  const [asked] = tree.args[1]
  if (asked?.op !== '.') return unfenced(tree)
  const [of, name] = asked.args
  return unary(tree, of, bound, value => isBlock(value) && Object.hasOwn(value, name))
}

function method(tree: Extract<Tree, { op: 'rcall' }>, bound: string | undefined): Evaluate {
  const visited = comprehensionOf(tree)
  if (visited !== undefined) return comprehension(tree, visited)
  const [name, of, given] = tree.args
  return all(tree, [of, ...given], { bound, operate: methodOf(name, given) })
}

function comprehension(tree: Tree, { kind, list: visited, variable: bound, body }: Comprehension): Evaluate {
  const evaluate = compiled(visited, undefined)
  const holds = answer(body, bound)
  const unfit = new Failure('no_such_overload', tree)
  const stop = stopping(visited)
  const conclude = CONCLUDE[kind]
  const elementNs = costNs(body) + PRICES_NS.element
  return scope => {
    const value = evaluate(scope)
    if (value instanceof Failure) return value
    const elements = Array.isArray(value) ? value : isBlock(value) ? namesIn(value, scope) : undefined
    if (elements === undefined) return unfit
    scope.leftNs -= elementNs * elements.length
    if (scope.leftNs < 0) return stop(scope)
    return conclude(elements, each => {
      scope.element = each
      return holds(scope)
    })
  }
}
