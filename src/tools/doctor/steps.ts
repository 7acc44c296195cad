/** Bounds a step of a check: whatever is looked at may never answer. */
import { deadline } from '../../lib/deadline.ts'
import { systemScheduler } from '../../lib/scheduler.ts'

/** The step took too long. It has the `code` of the system for that. */
export class StepTooLong extends Error {
  override readonly name = 'StepTooLong'
  readonly code = 'ETIMEDOUT'
}

/** @throws {StepTooLong} or what the step throws */
export function step<T>(limitMs: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const tooLong = new StepTooLong(`there was no answer within ${limitMs} ms`)
  return deadline(systemScheduler, limitMs, tooLong).run(task)
}
