/**
 * Warns where an included file takes requests from a route of another file, since the most specific route wins.
 *
 * A team that may set `routes` decides about its own paths, and by a more specific path about a part of somebody
 * else's. Nobody can tell from one of the files alone. A route `/**` is for whatever no other route takes.
 */
import type { LoadedFiles } from '../../config/read/load.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { Policy } from '../../policy.ts'
import { compileMatcher, type Matcher } from '../../route/match.ts'
import { reachedBy, resolved, witnessPaths } from '../engine/reach.ts'
import type { Warning } from './warnings.ts'

/** @param policy compiled from the configuration of the files */
export function takenOver({ config, files, homeOf }: LoadedFiles, policy: Policy): readonly Warning[] {
  const fileOf = new Map(config.routes.map(({ id }, index) => [id, homeOf(['routes', index]).file]))
  return files.slice(1).flatMap(file => {
    const matcher = compileMatcher(
      policy.routes.filter(({ id }) => fileOf.get(id) !== file),
      { letterCase: config.paths.ignoreCase ? 'ignored' : 'heeded' },
    )
    return config.routes.flatMap((route, index): readonly Warning[] => {
      const other = fileOf.get(route.id) === file ? takenFrom(route, config, policy, matcher) : undefined
      if (other === undefined) return []
      const message = `takes requests from route \`${other.id}\` (\`${other.path}\` in ${fileOf.get(other.id)?.name}), whose rules do not hold for them; see whether that is meant`
      return [{ code: 'route-taken-over', path: ['routes', index, 'path'], message }]
    })
  })
}

type Named = Policy['routes'][number]

/** Finds a route of other files that would have a request which this route has. */
function takenFrom(
  route: Config['routes'][number],
  { routes }: Config,
  policy: Policy,
  others: Matcher<Named>,
): Named | undefined {
  const reached = reachedBy(policy.matcher, route, witnessPaths(routes.map(({ path }) => path)))
  return reached
    .map(({ method, path }) => resolved(others, method, path))
    .find(other => other !== undefined && other.path !== '/**')
}
