import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { compileMatcher, type Matchable, type Matcher } from '../../src/route/match.ts'
import { naiveCandidates, naiveRoute, STEPS, serverOf } from './lax-servers.ts'

const METHODS = ['GET', 'HEAD', 'POST'] as const
const LITERALS = ['a', 'b', 'admin', 'token', 'Mixed', '%40x', 'caf%C3%A9'] as const

/** Parameters that end in a word. */
const SUFFIXES: Readonly<Record<string, string>> = { ':admin': ':admin', ':Mixed': ':Mixed', ':.a': '.a' }

const methods = fc.constantFrom(undefined, ['GET'], ['POST'], ['GET', 'POST'])
const allowances = fc.subarray(['encodedSlash', 'semicolon', 'emptySegment', 'encodedUnreserved'] as const)

const route = fc
  .record({
    segments: fc.array(fc.constantFrom(...LITERALS, ':', ':', ':admin', ':Mixed', ':.a'), {
      minLength: 1,
      maxLength: 3,
    }),
    end: fc.constantFrom('', '', '/**', '/**', '/'),
    methods,
    allowances,
    asks: fc.constantFrom(undefined, 'a', 'b'),
  })
  .map(({ segments, end, methods, allowances, asks }): Matchable => {
    const path =
      segments
        .map((segment, depth) => (segment.startsWith(':') ? `/:p${depth}${SUFFIXES[segment] ?? ''}` : `/${segment}`))
        .join('') + end
    return { path, methods: methods && new Set(methods), pathAllow: new Set(allowances), asks }
  })

/** @returns routes that differ in shape, as a configuration that loads has them */
function distinct(routes: readonly Matchable[]): readonly Matchable[] {
  return [...new Map(routes.map(route => [route.path.replace(/:p\d/g, ':'), route])).values()]
}

const closedAreas = fc.array(route, { minLength: 1, maxLength: 7 }).map(distinct)
const catchAll = fc
  .tuple(allowances, fc.constantFrom(undefined, 'a', 'b'))
  .map(([allowed, asks]): Matchable => ({ path: '/**', methods: undefined, pathAllow: new Set(allowed), asks }))
const routesWithCatchAll = fc.tuple(closedAreas, catchAll).map(([areas, rest]) => [...areas, rest])

/** Somebody who wants to get past a gate may spell one character of it so. */
const RESPELLINGS: Readonly<Record<string, (character: string) => string>> = {
  plain: character => character,
  upper: character => character.toUpperCase(),
  encoded: percentEncoded,
  encodedTwice: character => percentEncoded(character).replaceAll('%', '%25'),
  encodedThrice: character => percentEncoded(character).replaceAll('%', '%2525'),
  kelvin: character => (character === 'k' ? '%E2%84%AA' : character),
}

function percentEncoded(text: string): string {
  return [...Buffer.from(text)].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

const segment = fc
  .record({
    word: fc.constantFrom(
      ...LITERALS,
      'mixed',
      '@x',
      'caf%c3%a9',
      'CAF%C3%89',
      'x',
      '1',
      'x:admin',
      'x:mixed',
      'x:y:admin',
      ':admin',
      'x%3Aadmin',
      'x%EF%BC%9Aadmin',
      'x.a',
      '.a',
    ),
    how: fc.array(fc.constantFrom('plain', ...Object.keys(RESPELLINGS)), { maxLength: 2 }),
    at: fc.nat(),
  })
  .map(({ word, how, at }) =>
    how.reduce((text, step) => {
      const index = at % text.length
      const respelt = RESPELLINGS[step]?.(text.charAt(index)) ?? ''
      return text.slice(0, index) + respelt + text.slice(index + 1)
    }, word),
  )

const oddity = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(';', ';v=1', '%3b', '%3Fq', '%23f', '/', '//', '/;', '%2f', '%2F', '/%2f', '%20', '%25'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/..', '/.', '/..;', '%2e%2e', '%2f..', '\\', '%5c', '%00', '%252f', '%253f', '%C3'),
  },
)
const separator = fc.constantFrom('/', '/', '/', '/', '%2f', '//')
const target = fc
  .tuple(
    fc.array(fc.tuple(separator, segment, oddity), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '', '/', '?x=1'),
  )
  .map(([pieces, end]) => `/${pieces.flat().join('').replace(/^\//, '')}${end}`)

const targets = fc.array(target, { minLength: 10, maxLength: 10 })
const servers = fc.array(fc.array(fc.constantFrom(...Object.keys(STEPS)), { minLength: 1, maxLength: 7 }), {
  minLength: 12,
  maxLength: 12,
})

type Resolution = ReturnType<Matcher<Matchable>['resolve']>

function accepted(matcher: Matcher<Matchable>, method: string, raw: string): Resolution | undefined {
  try {
    return matcher.resolve(method, raw, 'h')
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return undefined
  }
}

function isRelaxed(path: string): boolean {
  return /\/\/|;|%2f|%3b/i.test(path) || path !== meant(path)
}

/** Encoded or not, an unreserved character means the same to every server where a route allows it. */
const meant = serverOf(['decodeUnreserved'])

interface Reading {
  readonly resolution: Resolution
  /** The path as a lax server reads the accepted one. */
  readonly reading: string
  /** The route in force for that, by the naive matcher. */
  readonly owner: Matchable | undefined
}

/** @returns how each of the servers reads the targets that are accepted */
function readingsOf(
  routes: readonly Matchable[],
  method: string,
  targets: readonly string[],
  servers: ReadonlyArray<readonly string[]>,
  letterCase: 'heeded' | 'ignored',
): readonly Reading[] {
  const matcher = compileMatcher(routes, { letterCase })
  const ignoringCase = letterCase === 'ignored'
  return targets.flatMap(raw => {
    const resolution = accepted(matcher, method, raw)
    if (resolution === undefined) return []
    // Whoever writes a route with a last slash has a server that heeds it.
    const heeded = resolution.route.path.endsWith('/') ? 'dropLastSlash' : undefined
    return servers.map(given => {
      const steps = ignoringCase ? ['lowerCase', ...given] : given
      const reading = serverOf(steps.filter(step => step !== heeded))(meant(resolution.path))
      const spell = serverOf(steps.filter(step => step === 'decode' || /Case$/.test(step)))
      return { resolution, reading, owner: naiveRoute(routes, method, reading, spell) }
    })
  })
}

const cases = fc.constantFrom('heeded' as const, 'heeded' as const, 'ignored' as const)

function asksTheSame(one: Matchable | undefined, other: Matchable): boolean {
  return one === other || (one?.asks !== undefined && one.asks === other.asks)
}

describe('whatever is accepted', () => {
  test('belongs, with a catch-all, to the same route for every lax server', () => {
    let telling = 0
    fc.assert(
      fc.property(
        routesWithCatchAll,
        fc.constantFrom(...METHODS),
        targets,
        servers,
        cases,
        (routes, method, ...rest) => {
          for (const { resolution, reading, owner } of readingsOf(routes, method, ...rest)) {
            if (reading !== resolution.path) telling++
            expect(asksTheSame(owner, resolution.route), `${reading} of ${resolution.path}`).toBe(true)
          }
        },
      ),
      { numRuns: 600 },
    )
    expect(telling).toBeGreaterThan(1000)
  })

  test('belongs, without one, to the same route or, where the route relaxes, to none', () => {
    let telling = 0
    fc.assert(
      fc.property(closedAreas, targets, servers, cases, (routes, ...rest) => {
        for (const { resolution, reading, owner } of readingsOf(routes, 'GET', ...rest)) {
          if (reading !== resolution.path) telling++
          if (owner === undefined && isRelaxed(resolution.path)) continue
          expect(asksTheSame(owner, resolution.route), `${reading} of ${resolution.path}`).toBe(true)
        }
      }),
      { numRuns: 600 },
    )
    expect(telling).toBeGreaterThan(100)
  })

  test('is what arrived, byte for byte, and needs nothing its route does not allow', () => {
    fc.assert(
      fc.property(routesWithCatchAll, target, (routes, raw) => {
        const resolution = accepted(compileMatcher(routes), 'GET', raw)
        if (resolution === undefined) return
        const { path, query, route } = resolution
        expect(path + query).toBe(raw)
        const read = meant(path)
        const shorter = serverOf([
          ...(/;|%3b/i.test(read) ? ['cutEitherSemicolon'] : []),
          ...(serverOf(['decode'])(read).includes('//') ? ['collapseSlashes'] : []),
        ])(read)
        expect([naiveRoute(routes, 'GET', read), naiveRoute(routes, 'GET', shorter)]).toContain(route)
        if (path !== read) expect(route.pathAllow).toContain('encodedUnreserved')
        if (/%2f/i.test(path)) expect(route.pathAllow).toContain('encodedSlash')
        if (/;|%3b/i.test(path)) expect(route.pathAllow).toContain('semicolon')
        if (path.includes('//')) expect(route.pathAllow).toContain('emptySegment')
      }),
      { numRuns: 1500 },
    )
  })

  test('has no other accepted spelling that another route would take', () => {
    const words = ['admin', 'Admin', '%2561dmin', '@x', '%40x', 'caf%C3%A9', 'caf%c3%a9', 'token', 'to%E2%84%AAen', 'a']
    const path = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 2 }).map(parts => `/${parts.join('/')}`)
    const read = serverOf(['decode', 'decode', 'decode', 'lowerCase'])
    let pairs = 0
    fc.assert(
      fc.property(routesWithCatchAll, fc.array(path, { minLength: 20, maxLength: 20 }), (routes, paths) => {
        const matcher = compileMatcher(routes)
        const owners = new Map<string, Matchable>()
        for (const path of new Set(paths)) {
          const route = accepted(matcher, 'GET', path)?.route
          if (route === undefined) continue
          const owner = owners.get(read(path))
          if (owner) pairs++
          expect(asksTheSame(owner ?? route, route)).toBe(true)
          owners.set(read(path), route)
        }
      }),
      { numRuns: 400 },
    )
    expect(pairs).toBeGreaterThan(100)
  })

  test('has no spelling with an unreserved character encoded', () => {
    fc.assert(
      fc.property(routesWithCatchAll, target, fc.nat(), (routes, raw, at) => {
        const matcher = compileMatcher(routes)
        const { path, route } = accepted(matcher, 'GET', raw) ?? {}
        if (path === undefined || route?.pathAllow?.has('encodedUnreserved')) return
        const places = [...path.matchAll(/%..|[\w.~-]/g)].filter(([text]) => text.length === 1)
        const place = places[at % places.length]
        if (place === undefined) return
        const respelt = path.slice(0, place.index) + percentEncoded(place[0]) + path.slice(place.index + 1)
        const other = accepted(matcher, 'GET', respelt)?.route
        expect(other === undefined || other.pathAllow?.has('encodedUnreserved')).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('exact matching', () => {
  const path = fc
    .array(fc.oneof(fc.constantFrom(...LITERALS, '', '..', 'é'), fc.string({ maxLength: 3 })), {
      minLength: 1,
      maxLength: 5,
    })
    .map(segments => `/${segments.join('/')}`)

  test('agrees with trying every route in turn', () => {
    fc.assert(
      fc.property(
        fc.array(route, { maxLength: 12 }).map(distinct),
        path,
        fc.constantFrom(...METHODS, 'PUT'),
        (routes, path, method) => {
          const matcher = compileMatcher(routes)
          expect(matcher.match(method, path)).toBe(naiveRoute(routes, method, path))
          expect(matcher.candidates(path)).toEqual(naiveCandidates(routes, path))
        },
      ),
      { numRuns: 1500 },
    )
  })
})
