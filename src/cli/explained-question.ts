/** Reads the option `--caller` of `sallyport explain`, and prints what of a proxy's question is believed. */
import { askedFacts } from '../decision/asked-facts.ts'
import { CALLERS, type Caller } from '../decision/callers.ts'
import type { Denial } from '../errors.ts'
import type { Paint } from '../lib/paint.ts'
import { type SaidHeader, saidHeaders } from '../tools/explain/asked-by.ts'
import { denialText } from '../tools/explain/denial-text.ts'
import { shown } from '../tools/text/shown.ts'
import { columns } from '../tools/text/table.ts'
import type { RequestFacts } from '../types.ts'
import { UsageError } from './command.ts'

interface Question {
  readonly caller: Caller
  readonly said: readonly SaidHeader[]
  /** What it asks about. */
  readonly facts: RequestFacts
  /** Why that cannot be told; undefined where it can. */
  readonly refusal: Denial | undefined
}

/** @throws {UsageError} nobody of that name asks */
export function checkedCaller(name: string): Caller {
  const caller = CALLERS.find(each => each === name)
  if (caller === undefined) throw new UsageError(`--caller is one of ${CALLERS.join(', ')}`)
  return caller
}

/** @param sent as the proxy sends it, which is believed to be one that may ask */
export function questionOf(caller: Caller, sent: RequestFacts): Question {
  const { facts, refusal } = askedFacts(caller, () => true)(sent)
  return { caller, said: shown(saidHeaders(caller, sent)), facts, refusal }
}

export function saidText({ caller, said }: Question, paint: Paint): string {
  const lines = columns(said.map(({ name, value, as }) => [as ?? 'ignored', `${name}: ${value}`]))
  return `\n${paint('bold', `Asked by ${caller}`)}\n${lines.map(line => `  ${line}\n`).join('')}`
}

export function refusedQuestion(
  question: Question,
  refusal: Denial,
  { isJson, paint }: { readonly isJson: boolean; readonly paint: Paint },
): string {
  const { said } = question
  if (isJson)
    return `${JSON.stringify({ said, decision: refusal.code, saw: shown(denialText(refusal)) }, undefined, 2)}\n`
  return `${paint('red', shown(denialText(refusal)))}: nobody can tell what is asked about\n${saidText(question, paint)}`
}
