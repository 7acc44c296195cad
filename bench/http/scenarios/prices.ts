/** Asks what each feature costs a request whose token was seen before, beside a gateway without any of them. */

import { join } from 'node:path'
import { compare, costTable } from '../compare.ts'
import { type OursOptions, ours } from '../peers/ours.ts'
import { scratch } from '../peers/peer.ts'
import type { Scenario } from '../scenario.ts'
import { AUDIENCE, ISSUER, SCOPE, tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const ORIGIN = 'https://app.bench.example'
const REQUIRED = { scopes: [SCOPE] }

type Feature = Pick<OursOptions, 'sections' | 'route' | 'access' | 'revoked'>

function features(folder: string): Readonly<Record<string, Feature>> {
  const audit = { audit: { file: join(folder, 'audit.log') } }
  const limits = { rateLimits: { calls: { rate: '1000000/s', burst: 1_000_000, key: ['claims.sub'] } } }
  const token = {
    identity: { token: { header: 'X-Auth-Token', issuer: 'https://gateway.bench.example', audience: AUDIENCE } },
  }
  const onClaims = `claims.iss == "${ISSUER}"`
  const onRequest = 'request.path.startsWith("/orders/")'
  return {
    'access log': { access: 'all' },
    'revocation, a million entries': { revoked: 1_000_000 },
    CORS: { route: { cors: { origins: [ORIGIN] } } },
    'a condition on claims': { route: { require: { ...REQUIRED, when: onClaims } } },
    'a condition on the request': { route: { require: { ...REQUIRED, when: onRequest } } },
    'a rate limit': { sections: limits, route: { rateLimits: ['calls'] } },
    'an audit log of all decisions': { sections: audit },
    'a token for the service': { sections: token },
  }
}

export const prices: Scenario = {
  name: 'prices',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const headers = [`Origin: ${ORIGIN}`]
    const load = { tokensFile: await tokensFile(key, DISTINCT_TOKENS), connections, headers }
    const [target] = bench.targets
    const off = ours({ target, name: 'none of them' })
    const on = Object.entries(features(scratch('prices'))).map(([name, feature]) => ours({ target, name, ...feature }))
    const { samples } = await compare(
      bench,
      [off, ...on].map(peer => ({ peer, isNeeded: true, load })),
      key,
    )
    return [
      {
        title: `Prices: RS256, ${DISTINCT_TOKENS} distinct warm tokens, ${connections} connections, 70-byte answer`,
        table: costTable(samples, { bases: [off.name] }),
        notes: ['Each row has one feature, and nothing else that the others have.'],
        samples: Object.fromEntries(samples),
      },
    ]
  },
}
