/**
 * Times what a session costs a request beside the same request with a token, and what a route that takes no sessions
 * pays for those of other routes.
 */

import { loadConfig } from '../../src/config/read/load.ts'
import { decide } from '../../src/decide.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { withoutOwnCookies } from '../../src/session/cookie-lines.ts'
import { standIn } from '../../src/tools/engine/stand-in.ts'
import { toolServices } from '../../src/tools/engine/tool-policy.ts'
import type { Case } from './harness.ts'
import { exchangeOf } from './subject.ts'

const ISSUER = 'https://auth.example.com/'
const SESSIONS = 90
const CLAIMS = { sub: 'alice', client_id: 'shop', scope: 'openid orders:read' }

const CONFIG = {
  listen: '127.0.0.1:0',
  providers: {
    main: { type: 'jwt', issuer: ISSUER, audiences: ['shop'] },
    browser: {
      type: 'session',
      issuer: ISSUER,
      client: { id: 'shop', auth: 'basic', secretFile: 'unread' },
      principal: 'main',
      publicUrl: 'https://shop.example.com',
      keyFiles: ['unread'],
    },
  },
  upstreams: { app: 'http://127.0.0.1:9' },
  routes: [
    { id: 'orders', path: '/orders/**', providers: ['browser', 'main'], require: { scopes: ['orders:read'] } },
    { id: 'pages', path: '/**', providers: ['browser'], anonymous: 'login' },
  ],
}

const BROWSER = [
  ...['Host', 'shop.example.com', 'Sec-Fetch-Site', 'same-origin', 'Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty'],
  ...['Accept', '*/*', 'User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'],
]

export async function sessionCases(): Promise<readonly Case[]> {
  const config = loadConfig({ text: JSON.stringify(CONFIG), file: 'sallyport.yaml', env: {}, namedFiles: 'unread' })
  const services = toolServices({ clock: systemClock, version: '0', nodeVersion: process.version })
  const { policy, session, token } = standIn(config, services)
  const [route] = config.routes
  const cookies: string[] = []
  const heads: string[][] = []
  const withTokens: string[][] = []
  for (let at = 0; at < SESSIONS; at++) {
    const claims = { ...CLAIMS, sub: `user-${at}`, sid: `sid-${at}` }
    const made = await session(claims, route)
    if (made === undefined) throw new Error('the route takes no sessions')
    const line = `theme=dark; __Host-sallyport=${made.cookie}; lang=en`
    cookies.push(line)
    heads.push([...BROWSER, 'Cookie', line])
    withTokens.push([
      ...BROWSER,
      'Cookie',
      'theme=dark; lang=en',
      'Authorization',
      `Bearer ${(await token(claims, route)).token}`,
    ])
  }
  const decided = (head: readonly string[]): unknown => {
    const exchange = exchangeOf(policy, head)
    return decide(exchange.facts, policy, exchange.findings)
  }
  for (const head of [...heads, ...withTokens]) await decided(head)
  return [
    {
      name: 'session, beside the same caller with a known token',
      run: at => decided(heads[at % SESSIONS] ?? []),
      beside: at => decided(withTokens[at % SESSIONS] ?? []),
    },
    { name: 'cookies without ours', run: at => withoutOwnCookies(cookies[at % SESSIONS] ?? '') },
    { name: 'cookies that are not ours', run: () => withoutOwnCookies('theme=dark; lang=en; cart=8f3e2a') },
  ]
}
