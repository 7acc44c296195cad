/** Says in one line which routes a reload has added, removed and changed. */
import type { Config } from '../../config/schema/schema.ts'

type Routes = Pick<Config, 'routes'>

/** @returns `added: a, b; changed: c`, or undefined where the routes are the same */
export function routeChanges(before: Routes, after: Routes): string | undefined {
  const [old, now] = [byId(before), byId(after)]
  const parts = [
    ['added', [...now.keys()].filter(id => !old.has(id))],
    ['removed', [...old.keys()].filter(id => !now.has(id))],
    ['changed', [...now].flatMap(([id, text]) => (old.has(id) && old.get(id) !== text ? [id] : []))],
  ] as const
  const told = parts.filter(([, ids]) => ids.length > 0).map(([word, ids]) => `${word}: ${ids.join(', ')}`)
  return told.length === 0 ? undefined : told.join('; ')
}

function byId({ routes }: Routes): ReadonlyMap<string, string> {
  return new Map(routes.map(route => [route.id, JSON.stringify(route)]))
}
