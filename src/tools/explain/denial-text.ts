/** Says in one line why a request or a token is refused. It may hold text of the sender: show it escaped. */
import type { Denial } from '../../errors.ts'
import { momentOf } from '../text/moments.ts'

/** Every refusal of a token names these members of it; they are of interest only after the reason. */
const OF_ANY_TOKEN: ReadonlySet<string> = new Set(['alg', 'kid', 'iss'])

/** Says the code and what was found, as the log would show it. */
export function denialText({ code, evidence = {} }: Denial): string {
  const present = Object.entries(evidence).filter(([, value]) => value !== undefined)
  const found = present.toSorted(([a], [b]) => Number(OF_ANY_TOKEN.has(a)) - Number(OF_ANY_TOKEN.has(b)))
  const texts = found.map(
    ([name, value]) =>
      `${name}: ${momentOf(name, value) ?? (typeof value === 'string' ? value : JSON.stringify(value))}`,
  )
  return texts.length === 0 ? code : `${code} (${texts.join(', ')})`
}
