/** Asks whether a large configuration costs anything per request: every request goes to another of its routes. */
import { compare, costTable } from '../compare.ts'
import { ours } from '../peers/ours.ts'
import type { Scenario } from '../scenario.ts'
import { tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const ROUTES = 1000
const PROVIDERS = 50

export const routes: Scenario = {
  name: 'routes',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const [target] = bench.targets
    const load = { tokensFile: await tokensFile(key, 500), target: '/orders/many', paths: ROUTES - 1 }
    const small = ours({ target, name: '1 route, 1 provider' })
    const large = ours({
      target,
      routes: ROUTES,
      providers: PROVIDERS,
      name: `${ROUTES} routes, ${PROVIDERS} providers`,
    })
    const { samples } = await compare(
      bench,
      [small, large].map(peer => ({ peer, isNeeded: true, load })),
      key,
    )
    return [
      {
        title: 'Size of the configuration',
        table: costTable(samples, { bases: [small.name] }),
        notes: ['The same requests for both; with the large configuration each goes to another route.'],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}
