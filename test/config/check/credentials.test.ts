/** Tests what can be written for places of a token, and on which routes. */
import { expect, test } from 'vitest'
import { problemsOf } from '../support.ts'

function problems(credentials: string, route = '{ id: all, path: /** }'): readonly string[] {
  return problemsOf(`listen: 127.0.0.1:8080
providers: { a: { type: jwt, issuer: https://a.example.com/, audiences: [x] } }
upstreams: { app: "http://127.0.0.1:3000" }
credentials: ${credentials}
routes: [${route}]
`)
}

test('every place can be written', () => {
  const all =
    '[authorization, { header: Cf-Access-Jwt-Assertion }, { websocketProtocol: bearer }, { query: t, only: [websocket] }]'
  expect(() => problems(all)).toThrow('the configuration was accepted')
})

test.for([
  ['[]', 'must not be empty'],
  ['[{ header: Authorization }]', 'is written as `authorization`'],
  ['[{ header: Cookie }]', 'has a meaning of its own'],
  ['[{ header: X-Forwarded-For }]', 'has a meaning of its own'],
  ['[{ header: "a b" }]', 'is no header name'],
  ['[{ websocketProtocol: "a, b" }]', 'is no subprotocol'],
  ['[{ query: "a&b" }]', 'is no plain name'],
  ['[{ query: t, only: [] }]', 'must not be empty'],
  ['[bearer]', 'must be `authorization`, or a block'],
  ['[{ header: X-A, query: t }]', 'must have one of'],
  ['[{}]', 'must have one of'],
  ['[{ header: X-A, only: [websocket] }]', 'goes with `query`'],
  ['[authorization, authorization]', 'names a place twice'],
  ['[{ header: X-Token }, { header: x_token }]', 'names a place twice'],
  ['[{ query: t, only: [websocket] }, { query: T }]', 'names a place twice'],
] as const)('%s is refused: %s', ([credentials, problem]) => {
  const found = problems(credentials)
  expect([found.length, found[0]]).toEqual([1, expect.stringContaining(problem)])
})

test('a public route reads no token, so it has no places for one', () => {
  expect(problems('[authorization]', '{ id: a, path: /**, access: public, credentials: [authorization] }')).toEqual([
    expect.stringContaining('has no effect with `access: public`'),
  ])
})

test.for(['required', 'optional'])('a route that is %s cannot pass Authorization on past the gateway', access => {
  expect(problems('[authorization]', `{ id: a, path: /**, access: ${access}, passAuthorization: true }`)).toEqual([
    expect.stringContaining('passes on what the gateway itself reads'),
  ])
})
