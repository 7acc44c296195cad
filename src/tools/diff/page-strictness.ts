/**
 * Compares what two routes say about pages of other origins: which of them may read the answers, what they may send,
 * and whose requests are refused.
 *
 * Without rules of ours a browser goes by what the service says, which nobody knows here.
 */
import { type CorsRules, cors } from '../../route/cors.ts'
import { anyOf, type Comparisons, type Difference, differencesOf, noMatter, ranked } from './strictness.ts'

/** @param before, after undefined where the gateway says nothing about pages */
export function pageDifferences(
  name: string,
  before: CorsRules | undefined,
  after: CorsRules | undefined,
): readonly Difference[] {
  if (before !== undefined && after !== undefined)
    return differencesOf(CORS, before, after, { before, after }, `${name}.`)
  const enforced = CORS.enforceOrigin(
    `${name}.enforceOrigin`,
    before?.enforceOrigin === true,
    after?.enforceOrigin === true,
    {
      before,
      after,
    },
  )
  if (after !== undefined) {
    const pages = `pages of ${after.origins.join(', ')}`
    const text = `${name}: ${pages} may read the answers, and no others that the service lets read them`
    return [{ direction: 'changed', text, witness: pages }, ...enforced]
  }
  if (before === undefined) return []
  const text = `${name}: off, so that the service says which pages may read the answers, not only ${before.origins.join(', ')}`
  return [{ direction: 'changed', text, witness: 'pages that the service lets read its answers' }, ...enforced]
}

const CORS: Comparisons<CorsRules> = {
  origins: originDifferences,
  headers: anyOf,
  exposeHeaders: (name, before, after) => anyOf(name, before.map(lowerCase), after.map(lowerCase)),
  credentials: ranked({ true: 0, false: 1 }),
  enforceOrigin: ranked({ true: 1, false: 0 }),
  maxAgeSeconds: noMatter('It says how long a browser remembers what it may send.'),
}

/** An origin that a wildcard of the other list stands for is neither gained nor lost. */
function originDifferences(name: string, before: readonly string[], after: readonly string[]): readonly Difference[] {
  const gained = after.filter(origin => !isGrantedBy(before, origin))
  const lost = before.filter(origin => !isGrantedBy(after, origin))
  return anyOf(name, lost, gained)
}

function isGrantedBy(origins: readonly string[], origin: string): boolean {
  if (origins.includes('*') || origins.includes(origin)) return true
  return !origin.includes('*') && cors({ ...NOTHING_ELSE, origins }).grants(origin)
}

const NOTHING_ELSE: Omit<CorsRules, 'origins'> = {
  headers: [],
  exposeHeaders: [],
  credentials: false,
  maxAgeSeconds: 0,
  enforceOrigin: false,
}

function lowerCase(name: string): string {
  return name.toLowerCase()
}
