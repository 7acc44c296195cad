/** Looks through proxies that were made to have one hole, or a habit that is none, and says what is found. */
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../support/services/free-port.ts'
import { folder } from '../support.ts'
import { examiner } from './support.ts'

const examine = examiner(folder())
const closing: Array<() => void> = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const CONFIG = {
  decide: { listen: '127.0.0.1:0', caller: 'nginx' },
  providers: {
    main: {
      type: 'jwt',
      issuer: 'https://idp.example',
      audiences: ['a'],
      keys: { jwksUri: 'https://idp.example/keys' },
    },
  },
  routes: [
    { id: 'public', path: '/public/**', access: 'public' },
    { id: 'private', path: '/private/**' },
  ],
}

interface Habits {
  /** Names that it passes on, besides those of the probe. In lower case. */
  readonly leaks?: readonly string[]
  /** Whether it answers 400 to a request. */
  readonly refuses?: (request: IncomingMessage) => boolean
}

/** Asks nobody: it knows what the answer is. */
async function examinedProxy({ leaks = [], refuses = () => false }: Habits, config: object = CONFIG) {
  const port = await freePort()
  const passed = new Set(['x-probe-id', ...leaks])
  const requests: string[] = []
  const proxy = http.createServer((request, response) => {
    requests.push(request.rawHeaders.filter((_each, i) => i % 2 === 0).join(' '))
    if (refuses(request)) return void response.writeHead(400).end()
    if (request.url !== '/public') return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => passed.has(name)))
    http.get({ port, host: '127.0.0.1', path: request.url, headers }, answer =>
      answer.pipe(response.writeHead(answer.statusCode ?? 0)),
    )
  })
  closing.push(() => void proxy.close().closeAllConnections())
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const through = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const found = await examine({ config: { ...config }, through, serviceListen: { host: '127.0.0.1', port } })
  return { ...found, requests }
}

const has = (test: (name: string) => boolean) => (request: IncomingMessage) => Object.keys(request.headers).some(test)

describe('forged names', () => {
  test('do not arrive, and each group goes out once', async () => {
    const { of: seen, requests } = await examinedProxy({})
    expect(seen('forged')).toEqual(['ok: nothing that a client forges reaches the service'])
    expect(requests.filter(names => /x-auth-subject/i.test(names))).toHaveLength(1)
  })

  test('that reach the service are found beside one that is believed', async () => {
    const { of: seen } = await examinedProxy({
      leaks: ['x-rewrite-url', 'x-auth-subject'],
      refuses: has(name => name === 'x-forwarded-uri' || name === 'x-auth-roles'),
    })
    expect(seen('forged', 'x-forwarded-uri').join()).toMatch(/^fail: .*changes what the gateway is asked/)
    expect(seen('forged', 'X-Auth-Roles').join()).toMatch(/^fail: .*changes what the gateway is asked/)
    expect(seen('forged', 'x-rewrite-url').join()).toMatch(/^fail: .*reaches the service/)
    expect(seen('forged', 'X-Auth-Subject').join()).toMatch(/^fail: .*reaches the service/)
    expect(seen('forged')).toHaveLength(4)
  })

  test('are tried alone once each, as often in a request as together', async () => {
    const { requests } = await examinedProxy({ refuses: has(name => name === 'x-auth-roles') })
    const alone = requests.filter(names => /X-Auth-Subject/.test(names) && !/X-Auth-Roles/.test(names))
    expect(alone.map(names => names.match(/X-Auth-Subject/g)?.length)).toEqual([2])
  })

  test('with odd characters may be refused, which hides no other that passes', async () => {
    const refuses = has(name => name.includes('_'))
    expect((await examinedProxy({ refuses })).of('forged')).toEqual([
      'ok: nothing that a client forges reaches the service',
    ])
    const { all } = await examinedProxy({ refuses, leaks: ['x.auth-subject', 'x~original-url'] })
    expect(all.filter(({ check }) => check === 'forged').map(({ subject }) => subject)).toEqual([
      'X.Auth-Subject',
      'X~Original-URL',
    ])
  })
})

describe('a proxy', () => {
  async function through(url: string, rest: object = {}) {
    const serviceListen = { host: '127.0.0.1', port: await freePort() }
    return (await examine({ config: CONFIG, through: url, serviceListen, ...rest })).of('through').join()
  }

  test('that is not there, or says nothing, is said to be so', async () => {
    expect(await through('http://127.0.0.1:1')).toBe('fail: the proxy could not be asked: ECONNREFUSED')
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    closing.push(() => void silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    expect(await through(`http://127.0.0.1:${port}`, { stepMs: 200 })).toBe(
      'fail: the proxy could not be asked: there was no answer within 200 ms',
    )
  })

  test('that passes on another refusal than that of strangers gets the remedy for it', async () => {
    let headers: Record<string, string> = { 'x-sallyport-code': 'caller_untrusted' }
    const proxy = http.createServer((_request, response) => response.writeHead(403, headers).end())
    closing.push(() => void proxy.close().closeAllConnections())
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const examined = async () => {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
      const serviceListen = { host: '127.0.0.1', port: await freePort() }
      return (await examine({ config: CONFIG, through: url, serviceListen })).all.find(
        ({ check }) => check === 'through',
      )
    }
    expect(await examined()).toMatchObject({
      outcome: 'warn',
      seen: 'it is refused with 403 (caller_untrusted), and not with 401 and a challenge',
      remedy: expect.stringContaining('decide.trustedProxies'),
    })
    headers = {}
    expect((await examined())?.remedy).toMatch(/^see that the gateway runs/)
  })

  test('is asked for odd paths where others lead to the service, too', async () => {
    const routes = [{ id: 'health', path: '/healthz', access: 'public' }, ...CONFIG.routes]
    const { of: seen } = await examinedProxy({}, { ...CONFIG, routes })
    expect(seen('through', '/public')).toEqual(['ok: it reaches the service, as this configuration says'])
    expect(seen('path', '/public').join()).toMatch(/^ok: of \d+ odd paths, \d+ reached the service/)
  })

  test('is not blamed for a mistake of ours', async () => {
    const ours =
      /^fail: the check itself ended with (?:TypeError|RangeError ERR_SOCKET_BAD_PORT), .* mistake in Sallyport$/
    expect(await through('http://127.0.0.1:1', { stepMs: Symbol('no number') })).toMatch(ours)
    expect(await through('http://127.0.0.1:1', { serviceListen: { host: '127.0.0.1', port: 70_000 } })).toMatch(ours)
  })
})
