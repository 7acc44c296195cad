/**
 * GHSA-4mq7-pvjg-xp2r, CVE-2026-33496 (Ory Oathkeeper before 26.2.0): verdicts on tokens were cached by token alone.
 * One that the first authenticator had accepted was then accepted on routes of the second, which had never seen it.
 *
 * A verdict is kept with the very authenticator that gave it and recalled only on routes that accept this one.
 */
import { expect, test } from 'vitest'
import { testProvider } from '../support/gateway/gateway.ts'
import { get, PROTOCOLS } from '../support/raw.ts'
import { startTestIssuer } from '../support/services/issuer.ts'

test.each(PROTOCOLS)(
  'a token that one provider has verified opens nothing of another, over $name',
  async ({ startStack }) => {
    const second = await startTestIssuer()
    const stack = await startStack(first => ({
      providers: {
        first: testProvider(first),
        second: testProvider(second),
        // It has the same issuer and keys, but another audience.
        strict: { ...testProvider(first), audiences: ['https://strict.example'], issuer: `${first.issuer}/strict` },
      },
      routes: [
        { id: 'private', path: '/private/**', providers: ['first'] },
        { id: 'second', path: '/second/**', providers: ['second'] },
        { id: 'strict', path: '/strict/**', providers: ['strict'] },
        { id: 'both', path: '/both/**', providers: ['first', 'second'] },
      ],
    }))
    try {
      const tokens = { first: stack.token, second: await second.mint() }
      const ask = async (path: string, token: string) => {
        const reply = await stack.exchange(get(path, [`Authorization: Bearer ${token}`]))
        return reply?.status === 200 ? 'ok' : JSON.parse(reply?.body ?? '{}').code
      }
      // It is done twice: the second time everything that was accepted is in the cache.
      for (let round = 0; round < 2; round++) {
        expect(await ask('/both/x', tokens.first)).toBe('ok')
        expect(await ask('/both/x', tokens.second)).toBe('ok')
        expect(await ask('/private/x', tokens.first)).toBe('ok')
        expect(await ask('/private/x', tokens.second)).toBe('issuer_unknown')
        expect(await ask('/second/x', tokens.first)).toBe('issuer_unknown')
        expect(await ask('/second/x', tokens.second)).toBe('ok')
        expect(await ask('/strict/x', tokens.first)).toBe('issuer_unknown')
      }
    } finally {
      await stack.close()
      await second.close()
    }
  },
)
