/**
 * GHSA-x677-9fxg-v5c5 and its sequel GHSA-rf44-j88r-hh8c, CVE-2026-88011 (Traefik before 2.11.56 and 3.7.12): the
 * fields that the authentication service sets were protected against `X_Auth_User`, then still not against
 * `X.Auth.User`, which CGI, WSGI and PHP turn into the same variable.
 *
 * Names are folded on every character outside a-z0-9, not on a list of known aliases: there is no
 * next character to forget.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { fieldsOf } from '../support/wire.ts'

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({
      identity: { headers: { 'X-Authenticated-User': 'sub' }, reserved: ['X-Auth-*'] },
    }))
  })
  afterAll(() => stack.close())

  /** Every character that a field name may have besides letters and digits (RFC 9110 §5.6.2). */
  const PUNCTUATION = ["!#$%&'*+-.^_`|~"].flatMap(characters => [...characters])

  test.for(PUNCTUATION)('with %s between the words', async mark => {
    for (const name of [
      `X${mark}Authenticated${mark}User`,
      `X-Authenticated${mark}User`,
      `x${mark}auth${mark}anything`,
    ]) {
      const reached = await stack.forwarded(() =>
        stack.exchange(
          get('/private/x', [`${name}: marker`, `Authorization: Bearer ${stack.token}`, `${name}: marker`]),
        ),
      )
      expect(reached).not.toContain('marker')
      expect(
        fieldsOf(reached).filter(([field]) => field.replace(/[^a-z0-9]/g, '-') === 'x-authenticated-user'),
      ).toEqual([['x-authenticated-user', 'alice']])
    }
  })
})
