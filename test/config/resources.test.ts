/** Tests that what a token is for counts where it should: a resource's URL on its own routes, and nowhere else. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requirementContext, requirementsOf } from '../../src/config/requirements.ts'
import { narrowedAudiences, routesOf, withResourceAudiences } from '../../src/config/resources.ts'
import { providerTraits } from '../../src/config/schema/provider-traits.ts'
import { principal, refusal } from '../authorize/support.ts'
import { manualTime } from '../support/manual-time.ts'
import { load } from './support.ts'

const MCP = 'https://mcp.example.com/mcp'
const BILLS = 'https://bills.example.com'

describe('a provider', () => {
  const config = load(`listen: 127.0.0.1:8080
providers:
  main: { type: jwt, issuer: https://a.example, audiences: [https://api.example.com] }
  both: { type: jwt, issuer: https://b.example, audiences: ['${MCP}', own] }
  apart: { type: jwt, issuer: https://c.example, audiences: [own] }
upstreams: { app: http://127.0.0.1:3000 }
resources: { mcp: { url: '${MCP}' }, bills: { url: '${BILLS}' } }
routes:
  - { id: a, path: /a, resource: mcp, providers: [main, both] }
  - { id: b, path: /b, resource: bills, providers: [main] }
  - { id: c, path: /c }
`)
  const audiencesOf = (id: 'main' | 'both' | 'apart') => {
    const provider = config.providers[id]
    if (provider === undefined) throw new Error(`no provider ${id}`)
    return providerTraits(withResourceAudiences(config, id, provider)).audiences
  }

  test('verifies tokens for the resources of the routes that take it, besides its own', () => {
    expect(audiencesOf('main')).toEqual(['https://api.example.com', MCP, BILLS])
  })

  test('that has the URL among its own is as it was, and so is one of other routes', () => {
    expect(audiencesOf('both')).toEqual([MCP, 'own'])
    expect(audiencesOf('apart')).toEqual(['own'])
  })

  test('is narrowed again on each route, if it was widened', () => {
    expect([...narrowedAudiences(config)]).toEqual([['main', ['https://api.example.com']]])
  })

  test('has the routes that look at tokens', () => {
    expect(routesOf(config, 'mcp').map(({ id }) => id)).toEqual(['a'])
  })
})

test('what the provider lets in and the route asks for is, together, what is meant for the route', () => {
  const urls: readonly string[] = ['https://r0.example', 'https://r1.example']
  const audience = fc.constantFrom('a', 'b', ...urls)
  const some = fc.uniqueArray(audience, { minLength: 1, maxLength: 3 })
  const route = fc.record({
    resource: fc.constantFrom(undefined, 'r0', 'r1'),
    audiences: fc.option(some, { nil: undefined }),
    providers: fc.constantFrom(undefined, ['p'], ['q'], ['p', 'q']),
  })
  fc.assert(
    fc.property(some, some, fc.array(route, { minLength: 1, maxLength: 4 }), some, (p, q, routes, aud) => {
      const used = new Set<string | undefined>(routes.map(({ resource }) => resource))
      const resources = urls.flatMap((url, index) => (used.has(`r${index}`) ? [[`r${index}`, { url }] as const] : []))
      const config = load(
        JSON.stringify({
          listen: '127.0.0.1:8080',
          providers: {
            p: { type: 'jwt', issuer: 'https://p.example', audiences: p },
            q: { type: 'jwt', issuer: 'https://q.example', audiences: q },
          },
          upstreams: { app: 'http://127.0.0.1:3000' },
          resources: Object.fromEntries(resources),
          routes: routes.map((each, index) => ({ id: `${index}`, path: `/${index}`, ...each })),
        }),
      )
      const context = requirementContext(config, manualTime())
      for (const each of config.routes)
        for (const [id, provider] of Object.entries(config.providers)) {
          if (each.providers?.includes(id) === false) continue
          const isVerified = providerTraits(withResourceAudiences(config, id, provider)).audiences.some(one =>
            aud.includes(one),
          )
          const caller = principal({ provider: id, audiences: aud })
          const passes =
            isVerified &&
            requirementsOf(each, context).every(({ authorize }) => refusal(authorize, caller) === undefined)

          const url = each.resource === undefined ? [] : [config.resources[each.resource]?.url ?? '']
          const wanted = [...url, ...(each.audiences ?? [])]
          const isOfProvider = [...providerTraits(provider).audiences, ...url].some(one => aud.includes(one))
          const isOfRoute = wanted.length === 0 || wanted.some(one => aud.includes(one))
          expect(passes).toBe(isOfProvider && isOfRoute)
        }
    }),
    { numRuns: 300 },
  )
})
