/** Says why a part of a condition has no value, in the place of that value: to throw costs a hundred times as much. */
import { type Tree, textOf } from './tree.ts'

type FailureCode = 'no_such_key' | 'no_such_overload' | 'numeric_overflow' | 'too_long'

/** Each is made when the condition is read, so that a token can make no more of them. */
export class Failure {
  readonly error: FailureCode
  /** The part of the expression that could not be evaluated, as it is written. */
  readonly key: string

  constructor(error: FailureCode, tree: Tree) {
    this.error = error
    this.key = textOf(tree)
  }
}
