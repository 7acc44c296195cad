/** Holds a configuration with logins of browsers, for the tests of the tools. */
import { loadConfigForTool } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { folder } from './support.ts'

interface SessionText {
  /** Keys of the provider `browser` in place of the usual ones, each a line of YAML. */
  readonly browser?: readonly string[]
  /** Lines before the routes. */
  readonly more?: readonly string[]
  readonly routes?: readonly string[]
}

const USUAL = [
  'issuer: https://login.example.com/',
  'client: { id: shop, auth: basic, secretFile: client-secret }',
  'principal: main',
  'publicUrl: https://shop.example.com',
  'keyFiles: [session-key]',
]

const CORS = 'cors: { origins: [https://app.example.com], credentials: true }'
/** Pages of the other origin may use the sessions of these routes. */
const ALLOWED = 'allowOrigins: [https://app.example.com]'

const ROUTES = [
  `{ id: pages, path: /**, providers: [browser], anonymous: login, ${CORS} }`,
  `{ id: api, path: /api/**, providers: [browser, main], require: { scopes: [orders:read] }, ${CORS} }`,
  `{ id: strict, path: /strict, providers: [browser], require: { acr: [gold] }, ${CORS} }`,
  '{ id: tokens, path: /tokens, providers: [main] }',
  '{ id: open, path: /open, access: public }',
]

export function sessionText({ browser: given = [], more = [], routes }: SessionText = {}): string {
  const browser = routes === undefined ? [ALLOWED, ...given] : given
  const own = browser.map(line => line.split(':', 1)[0])
  const lines = [...USUAL.filter(line => !own.includes(line.split(':', 1)[0])), ...browser]
  return `listen: 127.0.0.1:8080
providers:
  main: { type: jwt, issuer: https://auth.example.com/, audiences: [https://api.example.com] }
  browser:
    type: session
${lines.map(line => `    ${line}\n`).join('')}upstreams:
  app: http://127.0.0.1:3000
${more.map(line => `${line}\n`).join('')}routes:
${(routes ?? ROUTES).map(route => `  - ${route}\n`).join('')}`
}

/** Reads configurations without the files that they name, as `--no-files` does. */
export function sessionConfigs(): (text: string) => Config {
  const files = folder()
  let count = 0
  return text => loadConfigForTool(files.write(`sallyport-${count++}.yaml`, text), {}, 'unread')
}
