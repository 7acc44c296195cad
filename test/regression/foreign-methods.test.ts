/**
 * A request of another protocol ended the process: Node's parser takes `DESCRIBE /x RTSP/1.0` for a request, Fastify's
 * router knows no such method and calls none of its hooks, and so nobody waited for a decision that was a refusal.
 * Anybody could do that, with a token whose refusal has to wait: for a key, or for a slow signature.
 */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, type RawStack, request, startRawStack } from '../support/raw.ts'

/** Signatures of this key are verified off the main thread. */
const jwk = { ...generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export({ format: 'jwk' }), kid: 'slow' }
const ISSUER = 'https://slow.example/'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const forged = [part({ alg: 'ES512', kid: 'slow' }), part({ iss: ISSUER }), 'A'.repeat(176)].join('.')
const FORGED = `Authorization: Bearer ${forged}`

let stack: RawStack
beforeAll(async () => {
  stack = await startRawStack(({ issuer, jwksUri }) => ({
    providers: {
      main: { type: 'jwt', issuer, audiences: ['https://api.example.com'], keys: { jwksUri } },
      slow: { type: 'jwt', issuer: ISSUER, audiences: ['a'], keys: { jwks: { keys: [jwk] } } },
    },
  }))
})
afterAll(() => stack.close())

describe.each(['DESCRIBE', 'ANNOUNCE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN', 'GET_PARAMETER', 'RECORD', 'FLUSH'])(
  '%s',
  method => {
    test('is refused on every route, whether or not its token has to be waited for', async () => {
      for (const [path, ...lines] of [['/private/x', FORGED], ['/public/x'], ['/private/x']] as const)
        await stack.refuses(request(`${method} ${path} RTSP/1.0`, lines), 'request_malformed')
    })
  },
)

test('what Fastify reads of a request does not keep it from one that waits', async () => {
  for (const line of ['Accept-Version: 1', 'Content-Type: odd', 'Upgrade: h2c', 'Expect: 100-continue', 'Cookie: a'])
    await stack.refuses(get('/private/x', [FORGED, line]), 'signature_invalid')
  for (const method of ['PURGE', 'QUERY', 'PROPFIND'])
    await stack.refuses(request(`${method} /private/x HTTP/1.1`, [FORGED]), 'signature_invalid')
  expect(stack.gateway.child.exitCode).toBeNull()
})
