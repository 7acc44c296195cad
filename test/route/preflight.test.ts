/** Tests what a preflight is, and that its answer promises what the routes of its path keep. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Cors, cors } from '../../src/route/cors.ts'
import { preflightLines, preflightOf } from '../../src/route/preflight.ts'
import { refusalOf } from '../support/denied.ts'

const PAGE = 'https://app.example.com'

function corsOf(origins: readonly string[], enforceOrigin = false): Cors {
  return cors({ origins, headers: [], exposeHeaders: [], credentials: false, maxAgeSeconds: 1, enforceOrigin })
}

describe('a preflight', () => {
  test('is what has an origin and asks for a method', () => {
    expect(preflightOf(['host', 'a', 'ORIGIN', PAGE, 'access-control-request-METHOD', 'PUT'])).toEqual({
      origin: PAGE,
      method: 'PUT',
    })
  })

  test.each<[string, readonly string[]]>([
    ['no origin', ['Access-Control-Request-Method', 'PUT']],
    ['no method', ['Origin', PAGE, 'Access-Control-Request-Headers', 'a']],
    ['neither', ['Host', 'a']],
    ['a method in the spelling of CGI', ['Origin', PAGE, 'Access_Control_Request_Method', 'PUT']],
  ])('is none with %s', (_, rawHeaders) => {
    expect(preflightOf(rawHeaders)).toBeUndefined()
  })

  test.each<[string, readonly string[]]>([
    ['origin', ['Origin', PAGE, 'origin', PAGE]],
    ['method', ['Origin', PAGE, 'Access-Control-Request-Method', 'GET', 'access-control-request-method', 'GET']],
  ])('cannot have a second %s', (_, rawHeaders) => {
    expect(refusalOf(() => preflightOf(rawHeaders))).toBe('request_malformed')
  })
})

describe('its answer', () => {
  const methodsIn = (lines: readonly string[]) =>
    lines[lines.indexOf('Access-Control-Allow-Methods') + 1]?.split(', ') ?? []

  test.each(['TRACE', 'CONNECT', 'get', 'GET ', '', '*', 'GET, PUT', 'CHICKEN'])(
    'never allows the method %j, which is not forwarded',
    method => {
      const ask = () => preflightLines({ origin: PAGE, method }, corsOf(['*']), () => corsOf(['*']))
      expect(refusalOf(ask)).toBe('cors_refused')
    },
  )

  test('allows a method that pages rarely use where it is asked for', () => {
    const lines = preflightLines({ origin: PAGE, method: 'PROPFIND' }, corsOf([PAGE]), () => undefined)
    expect(methodsIn(lines)).toEqual(['PROPFIND'])
  })

  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
  const routes = fc.dictionary(fc.constantFrom(...methods), fc.constantFrom([PAGE], ['*'], ['https://b.example'], []))

  test('has each method whose own route lets the origin in, once, and no other', () => {
    fc.assert(
      fc.property(routes, fc.constantFrom(...methods), fc.constantFrom(PAGE, 'null'), (rules, method, origin) => {
        const of = (each: string) => {
          const origins = rules[each]
          return origins === undefined ? undefined : corsOf(origins)
        }
        const own = of(method)
        if (own === undefined) return
        const letIn = methods.filter(each => rules[each]?.some(entry => entry === '*' || entry === origin) === true)
        const ask = () => preflightLines({ origin, method }, own, of)
        if (letIn.includes(method)) expect(methodsIn(ask()).toSorted()).toEqual(letIn.toSorted())
        else expect(refusalOf(ask)).toBe('cors_refused')
      }),
    )
  })
})
