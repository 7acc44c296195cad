/** Starts gateways with sessions, and asks them as a signed-in browser does: with the newest cookie that it has. */
import { createServer, type RequestListener } from 'node:http'
import { Agent, request } from 'undici'
import { WebSocketServer } from 'ws'
import { stringify } from 'yaml'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createCookieJar, logIn, setCookies, type WalkOptions } from '../../support/clients/login-walk.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { LOGIN_ROUTES } from '../../support/gateway/login-stack.ts'
import { freePort } from '../../support/services/free-port.ts'
import { type LoginProvider, startLoginProvider } from '../../support/services/login-provider.ts'
import { echo } from '../../support/services/upstream.ts'

/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
export const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
/** How long a test asks for what is bound to come, only not when. */
export const SOON = { timeout: 20_000, interval: 20 } as const

const COOKIE = '__Host-sallyport'

export interface Reply {
  readonly status: number
  /** `code` of a refusal. */
  readonly code: unknown
  /** Where the browser is sent. */
  readonly location: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

interface Asked {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'OPTIONS'
  /** Over what a script of the same origin sends. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Browser {
  /** `name=value` as it is sent next; undefined: it has none. */
  cookie(): string | undefined
  /** A script's request. The answer's cookie is kept. */
  ask(url: string, asked?: Asked): Promise<Reply>
  /** Signs in by opening the page, whatever cookies it has. */
  signIn(page: string): Promise<void>
  /** Opens a page, and follows no redirect. */
  open(url: string): Promise<Reply>
  /** Somebody who has stolen the cookies of now. */
  copy(): Browser
}

/** What a page is asked for with. */
const NAVIGATION = {
  accept: 'text/html',
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
}
const SCRIPT = { accept: '*/*', 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }

const agent = new Agent({ connections: null })

/** Signs in by opening the page. */
export async function signedIn(page: string, options: WalkOptions = {}): Promise<Browser> {
  const { jar } = await logIn(page, options)
  return browserOf(page, jar)
}

function browserOf(page: string, jar = createCookieJar()): Browser {
  const cookie = () => {
    const value = jar.get(page, COOKIE)
    return value === undefined ? undefined : `${COOKIE}=${value}`
  }
  const send = async (url: string, method: string, headers: Readonly<Record<string, string>>): Promise<Reply> => {
    const sent = cookie()
    const answer = await request(url, {
      dispatcher: agent,
      method: method as 'GET',
      headers: { ...headers, ...(sent === undefined ? {} : { cookie: sent }) },
    })
    const text = await answer.body.text()
    jar.keep(url, setCookies(answer.headers))
    const { location } = answer.headers
    return {
      status: answer.statusCode,
      code: codeIn(text),
      location: typeof location === 'string' ? location : undefined,
      headers: answer.headers,
      text,
    }
  }
  return {
    cookie,
    ask: (url, { method = 'GET', headers = {} } = {}) => send(url, method, { ...SCRIPT, ...headers }),
    async signIn(to) {
      await logIn(to, { jar })
    },
    open: url => send(url, 'GET', NAVIGATION),
    copy: () => browserOf(page, jar.copy()),
  }
}

function codeIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly code?: unknown }).code
  } catch {
    return undefined
  }
}

/** How many answers there were of each kind: `200`, or `503 login_unavailable`. */
export function counted(replies: readonly Reply[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { status, code } of replies) {
    const kind = code === undefined ? String(status) : `${status} ${code}`
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

export interface SessionFleet {
  readonly provider: LoginProvider
  readonly service: Service
  readonly gateways: readonly TestGateway[]
  /** By which browsers find each gateway. */
  readonly urls: readonly string[]
  /** Moves the clocks of all gateways on. Tokens that are given from now on are shorter-lived for them by as much. */
  later(ms: number): void
  /** The access tokens that are given from now on live for so long by the clocks of the gateways. */
  lives(seconds: number): void
  /** A script of the browser asks one gateway for something. Default: the first, for `/api/x`. */
  ask(browser: Browser, options?: { readonly index?: number; readonly path?: string }): Promise<Reply>
  /** A script of the browser asks each gateway for `/api/x`. */
  askAll(browser: Browser): Promise<readonly Reply[]>
  /** The sum of a series over all gateways, without `sallyport_`. */
  metric(series: string): Promise<number>
  /** How often a refresh token was redeemed, or was to be. */
  refreshes(): number
  /** Writes all configurations anew, and resolves when they are in force. */
  reload(changed: FleetConfig): Promise<void>
  /** Ends the gateway, and starts it again on its port. */
  restart(index: number): Promise<void>
  close(): Promise<void>
}

export interface FleetConfig {
  /** Members of the provider `browser`. */
  readonly session?: Readonly<Record<string, unknown>>
  /** Members of the provider `main`, which judges access tokens. */
  readonly main?: Readonly<Record<string, unknown>>
  readonly routes?: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Members over those of `providers`; undefined: there is none of that name. */
  readonly providers?: ((provider: LoginProvider) => Readonly<Record<string, unknown>>) | undefined
  /** Further sections of the file. */
  readonly config?: Readonly<Record<string, unknown>>
}

interface FleetOptions extends FleetConfig {
  readonly gateways?: number
  readonly provider?: Parameters<typeof startLoginProvider>[0]
  /** What the service does. Default: {@link echo}. */
  readonly respond?: RequestListener
}

/** A service that speaks WebSocket, too. */
interface Service {
  readonly url: string
  close(): Promise<void>
}

async function startService(respond: RequestListener): Promise<Service> {
  const server = createServer(respond)
  new WebSocketServer({ server }).on('connection', socket => socket.on('message', data => socket.send(data)))
  const url = `http://${await listen(server, 0)}`
  return { url, close: () => closeServer(server) }
}

/** Gateways in this process, whose clocks a test can move. All have `publicUrl` of the first. */
export async function startSessionFleet({ gateways: count = 1, ...options }: FleetOptions = {}): Promise<SessionFleet> {
  const provider = await startLoginProvider(options.provider)
  const service = await startService(options.respond ?? echo)
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const urls = ports.map(port => `http://localhost:${port}`)
  const publicUrl = urls[0] ?? ''
  provider.trust({ url: publicUrl })
  let laterMs = 0
  const clock = {
    nowMs: () => systemClock.nowMs() + laterMs,
    monotonicMs: () => systemClock.monotonicMs() + laterMs,
  }
  const files = { 'admin-secret': 's'.repeat(40), 'key-1': '1'.repeat(40), 'key-2': '2'.repeat(40) }
  let config: FleetConfig = options
  const configOf = (port: number): Record<string, unknown> => ({
    upstreams: { app: service.url },
    routes: config.routes ?? LOGIN_ROUTES,
    ...config.config,
    listen: `127.0.0.1:${port}`,
    providers: {
      main: { ...provider.tokenProvider, ...config.main },
      browser: {
        ...provider.sessionProvider,
        principal: 'main',
        publicUrl,
        keyFiles: ['key-1'],
        ...config.session,
      },
      ...config.providers?.(provider),
    },
  })
  const begin = (port: number): Promise<TestGateway> => startTestGateway(configOf(port), { clock, files })
  const gateways = await Promise.all(ports.map(begin))
  return {
    provider,
    service,
    gateways,
    urls,
    later(ms) {
      laterMs += ms
    },
    lives(seconds) {
      provider.set({ accessTokenSeconds: seconds + laterMs / 1_000 })
    },
    ask: (browser, { index = 0, path = '/api/x' } = {}) => browser.ask(`${urls[index]}${path}`),
    askAll: browser => Promise.all(urls.map(url => browser.ask(`${url}/api/x`))),
    async metric(series) {
      const each = await Promise.all(gateways.map(gateway => gateway.metrics()))
      return each.reduce((sum, metrics) => sum + (metrics.get(`sallyport_${series}`) ?? 0), 0)
    },
    refreshes: () => provider.count({ grantType: 'refresh_token' }),
    async reload(changed) {
      config = { ...config, ...changed }
      for (const [index, gateway] of gateways.entries()) {
        const text = { admin: { listen: '127.0.0.1:0' }, ...configOf(ports[index] ?? 0) }
        gateway.write('sallyport.yaml', stringify(text, { aliasDuplicateObjects: false }))
        const reloads = () => gateway.logs.filter(({ msg }) => msg === 'configuration reloaded').length
        const before = reloads()
        await gateway.running.reload()
        if (reloads() === before) throw new Error(`the configuration was not reloaded:\n${gateway.logText()}`)
      }
    },
    async restart(index) {
      await gateways[index]?.close()
      gateways[index] = await begin(ports[index] ?? 0)
    },
    async close() {
      await Promise.all(gateways.map(each => each.close()))
      await Promise.all([provider.close(), service.close()])
    },
  }
}
