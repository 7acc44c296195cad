/** Tests that a token is found in whatever people paste with it. */
import { describe, expect, test } from 'vitest'
import { pastedToken } from '../../../src/tools/token/pasted-token.ts'

const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln-bmF0_dXJl'
const OPAQUE = 'mF_9.B5f-4.1JqM~+/=='
const [HEAD = '', PAYLOAD = '', SIGNATURE = ''] = JWT.split('.')

describe.each([
  ['a JWT', JWT],
  ['an opaque token', OPAQUE],
])('%s', (_kind, token) => {
  test.each([
    ['as it is', token],
    ['with blanks and a line end', `  ${token} \r\n`],
    ['in double quotes', `"${token}"`],
    ['in single quotes', `'${token}'`],
    ['in typographic quotes', `“${token}”`],
    ['in backticks', `\`${token}\``],
    ['with a comma', `"${token}",`],
    ['with a semicolon', `${token};`],
    ['with Bearer', `Bearer ${token}`],
    ['with bearer, in quotes', `"bearer ${token}"`],
    ['with DPoP', `DPoP ${token}`],
    ['as a header', `Authorization: Bearer ${token}`],
    ['as a header among others', `authorization: Bearer ${token}\naccept: */*\nuser-agent: curl`],
    ['in a curl line', `curl -s -H 'Authorization: Bearer ${token}' https://api.example.com/orders -d 'a=b'`],
    ['in a line without quotes', `-H Authorization: Bearer ${token} https://api.example.com/orders`],
    ['in code', `headers: { "Authorization": "Bearer ${token}" }`],
    [
      'in the answer of a token endpoint',
      `{\n  "token_type": "Bearer",\n  "access_token": "${token}",\n  "expires_in": 300\n}`,
    ],
    ['beside a refresh token', `{"refresh_token":"other","access_token":"${token}","id_token":"x"}`],
    ['as a parameter', `token=${token}`],
    ['as a parameter of a URL', `https://app.example.com/#access_token=${token}&token_type=Bearer`],
    ['with a non-breaking space', `\u00a0${token}\u00a0`],
    ['with characters of no width', `\ufeff\u200b${token.slice(0, 9)}\u200d\u00ad${token.slice(9)}\u2060`],
    ['broken over lines', `${token.slice(0, 12)}\n${token.slice(12)}`],
    ['broken over lines that are indented', `${token.slice(0, 12)}\r\n    ${token.slice(12)}`],
  ])('is found %s', (_how, pasted) => {
    expect(pastedToken(pasted)).toEqual({ token, hint: undefined })
  })
})

test('a JWT is found in pieces between blanks, too', () => {
  expect(pastedToken(`${HEAD}. ${PAYLOAD} .${SIGNATURE}`).token).toBe(JWT)
})

test.each([
  [`${HEAD}.${PAYLOAD}`, 'the token has 2 of its 3 parts, so its end is missing: copy the whole of it'],
  [HEAD, 'the token has 1 of its 3 parts, so its end is missing: copy the whole of it'],
  [`${HEAD}.a.b.c`, 'the token has 4 of its 5 parts, so its end is missing: copy the whole of it'],
  [`${HEAD}.${PAYLOAD}.`, undefined],
  [`${HEAD}..a.b.c`, undefined],
])('of %s is said what is missing', (pasted, hint) => {
  expect(pastedToken(pasted)).toEqual({ token: pasted, hint })
})

test.each([
  [`${HEAD}.eyJz…${SIGNATURE}`, 'the token is cut: a part in its middle stands as "…"; copy the whole of it'],
  [`${HEAD}...`, 'the token is cut: a part in its middle stands as "…"; copy the whole of it'],
  [`${JWT}\n${JWT}`, 'these are several tokens; give one'],
  ['-----BEGIN PUBLIC KEY-----\nabc', 'this is a key, and no token'],
  ['{"kty":"EC","crv":"P-256"}', 'this is a key, and no token'],
  ['Cookie: __Host-sallyport=abc', 'this is the cookie of a session: it holds no token'],
])('%s is refused, and not repeated', (pasted, message) => {
  expect(() => pastedToken(pasted)).toThrow(message)
})
