/**
 * Holds the schema of `require.when`: one expression of CEL, a list of them, or some with names.
 *
 * What an expression may say is judged in `config/check/check-conditions.ts`, which knows the path of the route.
 */
import * as z from 'zod'
import { id, list } from './fields.ts'

export interface ConditionConfig {
  /** What logs and `explain` call it. */
  readonly name: string
  readonly text: string
  /** Where it stands under `when`. */
  readonly at: ReadonlyArray<string | number>
}

/** An expression may have several lines. A longer one has more parts than are accepted. */
function expression() {
  return z
    .string()
    .refine(written => written.trim() !== '', { error: 'must not be empty; write a condition, or leave it out' })
    .refine(written => written.length <= MOST_CHARACTERS, { error: `is longer than ${MOST_CHARACTERS} characters` })
}

const MOST_CHARACTERS = 4_096

const one = expression().transform((written): readonly ConditionConfig[] => [{ name: 'when', text: written, at: [] }])

const several = list(expression()).transform((all): readonly ConditionConfig[] =>
  all.map((written, index) => ({ name: `when[${index}]`, text: written, at: [index] })),
)

const named = z
  .record(id(), expression())
  .refine(block => Object.keys(block).length > 0, { error: 'must not be empty' })
  .transform((block): readonly ConditionConfig[] =>
    Object.entries(block).map(([name, written]) => ({ name, text: written, at: [name] })),
  )

export const whenSchema = z
  .union([one, several, named])
  .optional()
  .describe('Expressions of CEL over the caller and the request, as a text, a list, or by name. All must hold.')
