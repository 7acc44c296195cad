/**
 * Starts gateways with browser sessions: a real provider of logins, a service that tells what it got, and the gateway
 * as users run it.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../services/free-port.ts'
import { type LoginProvider, startLoginProvider } from '../services/login-provider.ts'
import { echo, startTestUpstream, type TestUpstream } from '../services/upstream.ts'
import { type GatewayOnFile, startGatewayOnFile } from './gateway-process.ts'

type Members = Readonly<Record<string, unknown>>

export interface LoginStack {
  readonly provider: LoginProvider
  readonly service: TestUpstream
  /** The first is where the provider sends its logout tokens. */
  readonly gateways: readonly GatewayOnFile[]
  /** By which browsers find each gateway: cross-site to the provider. */
  readonly urls: readonly string[]
  close(): Promise<void>
}

interface LoginStackOptions {
  readonly provider?: Parameters<typeof startLoginProvider>[0]
  readonly service?: Parameters<typeof startTestUpstream>[0]
  /** Members of the provider `browser`. */
  readonly session?: Members
  readonly routes?: readonly Members[]
  /** Further upstreams; that of the service is called `app`. */
  readonly upstreams?: Members
  /** Path that follows a logout. Default: `/`. */
  readonly afterLogout?: string
  /** Further sections of the file. */
  readonly config?: Members
  readonly gateways?: number
  /** The same for all gateways, as behind a load balancer; by default each has its own. */
  readonly publicUrl?: string
}

export const LOGIN_ROUTES: readonly Members[] = [
  { id: 'pages', path: '/**', providers: ['browser'], anonymous: 'login' },
  { id: 'api', path: '/api/**', providers: ['browser', 'main'] },
  { id: 'open', path: '/open/**', access: 'public' },
]

export async function startLoginStack(options: LoginStackOptions = {}): Promise<LoginStack> {
  const { session, routes = LOGIN_ROUTES, upstreams, afterLogout, config, gateways: count = 1, publicUrl } = options
  const provider = await startLoginProvider(options.provider)
  const service = await startTestUpstream(options.service ?? echo)
  const secret = randomBytes(32).toString('hex')
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const urls = ports.map(port => `http://localhost:${port}`)
  const [first, ...others] = urls.map(url => ({ url: publicUrl ?? url, afterLogout }))
  if (first === undefined) throw new Error('no gateway was asked for')
  provider.trust(first, ...others)
  const gateways = await Promise.all(
    ports.map((port, index) =>
      startGatewayOnFile(folder => {
        writeFileSync(join(folder, 'session-key'), secret, { mode: 0o600 })
        return {
          upstreams: { app: service.url, ...upstreams },
          routes,
          ...config,
          listen: `127.0.0.1:${port}`,
          admin: { listen: '127.0.0.1:0' },
          providers: {
            main: provider.tokenProvider,
            browser: {
              ...provider.sessionProvider,
              principal: 'main',
              publicUrl: publicUrl ?? urls[index],
              keyFiles: ['session-key'],
              ...(afterLogout === undefined ? {} : { afterLogout }),
              ...session,
            },
          },
        }
      }),
    ),
  )
  return {
    provider,
    service,
    gateways,
    urls,
    async close() {
      await Promise.all(gateways.map(each => each.stop()))
      await Promise.all([provider.close(), service.close()])
    },
  }
}
