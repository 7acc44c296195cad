/**
 * Asks what each feature costs a request whose token was seen before, beside a gateway without any of them.
 *
 * Sessions and DPoP need a client that wrk is not: `bench/micro/` has the cost of their steps.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { selfSigned } from '../../lib/certificate.ts'
import { type Contender, compare, costTable } from '../compare.ts'
import { type OursOptions, ours } from '../peers/ours.ts'
import { scratch, whenListening } from '../peers/peer.ts'
import { freePort, type StartedChild, start } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { AUDIENCE, ISSUER, SCOPE, type SigningKey, tokensFile, tokensFileWith } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const DISTINCT_TOKENS = 500
const ORIGIN = 'https://app.bench.example'
const ORIGIN_HEADER = `Origin: ${ORIGIN}`
const REQUIRED = { scopes: [SCOPE] }

type Feature = Pick<OursOptions, 'sections' | 'route' | 'access' | 'revoked' | 'listen' | 'admin' | 'traces'>

/** What the others need that runs beside them. */
interface Helpers {
  readonly folder: string
  /** Origin of a collector. */
  readonly collector: string
  /** Origin of a server that knows the tokens of the load. */
  readonly introspection: string
}

function features({ folder, collector, introspection }: Helpers): Readonly<Record<string, Feature>> {
  const audit = { audit: { file: join(folder, 'audit.log') } }
  const limits = { rateLimits: { calls: { rate: '1000000/s', burst: 1_000_000, key: ['claims.sub'] } } }
  const token = {
    identity: { token: { header: 'X-Auth-Token', issuer: 'https://gateway.bench.example', audience: AUDIENCE } },
  }
  const onClaims = `claims.iss == "${ISSUER}"`
  const onRequest = 'request.path.startsWith("/orders/")'
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, 'x'.repeat(32), { mode: 0o600 })
  const asked = {
    ...{ type: 'introspection', issuer: ISSUER, audiences: [AUDIENCE], endpoint: introspection },
    client: { auth: 'basic', id: 'gateway', secretFile },
    // The tokens of each turn are known from the one before.
    cache: { ttl: '1h' },
  }
  return {
    'access log': { access: 'all' },
    'revocation, a million entries': { revoked: 1_000_000 },
    introspection: { sections: { providers: { main: asked } } },
    CORS: { route: { cors: { origins: [ORIGIN] } } },
    'a condition on claims': { route: { require: { ...REQUIRED, when: onClaims } } },
    'a condition on the request': { route: { require: { ...REQUIRED, when: onRequest } } },
    'a rate limit': { sections: limits, route: { rateLimits: ['calls'] } },
    'an audit log of all decisions': { sections: audit },
    'a token for the service': { sections: token },
    'traces of a tenth': { traces: { endpoint: `${collector}/v1/traces`, sample: '10%' } },
    'the console': { admin: { console: {} } },
  }
}

/** The client is known by its certificate, which a proxy names; its tokens are bound to that (RFC 8705). */
async function proof(key: SigningKey, folder: string): Promise<readonly [Feature, Contender['load']]> {
  const { raw, fingerprint256 } = new X509Certificate(readFileSync(selfSigned(folder).certFile))
  const thumbprint = Buffer.from(fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
  const file = await tokensFileWith({ cnf: { 'x5t#S256': thumbprint } }, folder, key, DISTINCT_TOKENS)
  return [
    {
      listen: { trustedProxies: ['127.0.0.1'] },
      sections: { clientCertificate: { from: 'header' } },
      route: { require: { ...REQUIRED, proof: 'certificate' } },
    },
    { tokensFile: file, headers: [ORIGIN_HEADER, `Client-Cert: :${raw.toString('base64')}:`] },
  ]
}

/** @returns its origin */
async function helper(program: string, args: readonly string[], started: StartedChild[]): Promise<string> {
  const port = await freePort()
  const file = fileURLToPath(new URL(`../procs/${program}.ts`, import.meta.url))
  const child = start(process.execPath, [file, String(port), ...args], { place: 'load' })
  started.push(child)
  const origin = `http://127.0.0.1:${port}`
  await whenListening(origin, child)
  return origin
}

export const prices: Scenario = {
  name: 'prices',
  async run(bench) {
    const key = keyOf(bench, 'RS256')
    const { connections } = bench
    const file = await tokensFile(key, DISTINCT_TOKENS)
    const load = { tokensFile: file, connections, headers: [ORIGIN_HEADER] }
    const [target] = bench.targets
    const folder = scratch('prices')
    const beside: StartedChild[] = []
    try {
      const [collector, introspection] = [
        await helper('collector', [], beside),
        await helper('introspection', [file], beside),
      ]
      const off = ours({ target, name: 'none of them' })
      const [bound, boundLoad] = await proof(key, folder)
      const contenders: readonly Contender[] = [
        { peer: off, isNeeded: true, load },
        ...Object.entries(features({ folder, collector, introspection })).map(([name, feature]) => ({
          ...{ peer: ours({ target, name, ...feature }), isNeeded: true, load },
        })),
        {
          ...{ peer: ours({ target, name: 'proof by certificate', ...bound }), isNeeded: true },
          load: { ...load, ...boundLoad },
        },
      ]
      const { samples } = await compare(bench, contenders, key)
      return [
        {
          title: `Prices: RS256, ${DISTINCT_TOKENS} distinct warm tokens, ${connections} connections, 70-byte answer`,
          table: costTable(samples, { bases: [off.name] }),
          notes: ['Each row has one feature, and nothing else that the others have.'],
          samples: Object.fromEntries(samples),
        },
      ]
    } finally {
      await Promise.all(beside.map(child => child.stop()))
    }
  },
}
