/** Tells tests how a stage refuses: what it throws that is no refusal is a bug, and fails the test. */
import { Denial, type DenialCode } from '../../src/errors.ts'

/** @returns the refusal; undefined when the action refuses nothing */
export function denied(action: () => unknown): Denial | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (error instanceof Denial) return error
    throw error
  }
}

/** @returns the code of the refusal; undefined when the action refuses nothing */
export function refusalOf(action: () => unknown): DenialCode | undefined {
  return denied(action)?.code
}
