/**
 * Finds where `cors` lets pages read more than was probably meant, or lets them send less.
 *
 * RFC 6454 §4 (origins), Public Suffix List (https://publicsuffix.org): whoever has a name under a shared parent can
 * serve a page there. The list is long and changes daily; the few parents below are those that are met most.
 */
import type { Path } from '../../config/check/findings.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { MCP_REQUEST_HEADERS } from '../../mcp/page-headers.ts'

interface DoubtfulOrigins {
  readonly code: 'cors-origin-in-clear' | 'cors-wildcard-wide' | 'cors-header-missing'
  readonly path: Path
  readonly message: string
}

export function doubtfulOrigins({ cors, routes }: Config): readonly DoubtfulOrigins[] {
  const blocks = [
    { at: ['cors'], origins: cors?.origins ?? [] },
    ...routes.map(({ cors: own }, index) => ({
      at: ['routes', index, 'cors'],
      origins: own === undefined || own === 'off' ? [] : own.origins,
    })),
  ]
  return blocks.flatMap(({ at, origins }) =>
    origins.flatMap((origin, index) => doubts(origin).map(doubt => ({ ...doubt, path: [...at, 'origins', index] }))),
  )
}

function doubts(origin: string): ReadonlyArray<Omit<DoubtfulOrigins, 'path'>> {
  if (origin === '*') return []
  const url = new URL(origin)
  return [...inClear(url), ...wide(url)]
}

function inClear(url: URL): ReadonlyArray<Omit<DoubtfulOrigins, 'path'>> {
  if (url.protocol !== 'http:' || isLoopback(url) || url.hostname.endsWith('.localhost')) return []
  const message =
    'is a page that comes unencrypted: whoever is on the way can change it, and then read the answers; write `https:`'
  return [{ code: 'cors-origin-in-clear', message }]
}

function wide({ hostname }: URL): ReadonlyArray<Omit<DoubtfulOrigins, 'path'>> {
  if (!hostname.startsWith('*.')) return []
  const parent = hostname.slice('*.'.length)
  if (parent === 'localhost' || !isShared(parent)) return []
  const message = `lets the pages of strangers in: anybody can have a name under \`${parent}\`; list the origins that are meant`
  return [{ code: 'cors-wildcard-wide', message }]
}

function isShared(parent: string): boolean {
  return !parent.includes('.') || OF_A_COUNTRY.test(parent) || SHARED_PARENTS.has(parent)
}

/** Names like `co.uk` and `com.au`, under which a registry gives out names. */
const OF_A_COUNTRY = /^(?:ac|co|com|edu|go|gob|gov|mil|ne|net|or|org)\.[a-z]{2}$/

/** Under each of these, a service gives its customers names. */
const SHARED_PARENTS: ReadonlySet<string> = new Set(
  `
  github.io gitlab.io pages.dev workers.dev trycloudflare.com vercel.app now.sh netlify.app herokuapp.com web.app
  firebaseapp.com appspot.com run.app a.run.app fly.dev onrender.com railway.app surge.sh azurewebsites.net
  azurestaticapps.net cloudapp.net cloudfront.net amazonaws.com s3.amazonaws.com amplifyapp.com elasticbeanstalk.com
  blogspot.com myshopify.com wixsite.com wordpress.com repl.co replit.app glitch.me ngrok.io ngrok.app ngrok-free.app
  `
    .trim()
    .split(/\s+/),
)

/** Finds lists of headers with which no page could send what the route asks for. Without a list, all of it is in it. */
export function missingHeaders(config: Config): readonly DoubtfulOrigins[] {
  const seen = new Set<string>()
  return config.routes.flatMap((route, index) => {
    const written = route.cors ?? config.cors
    if (written === undefined || written === 'off' || written.headers === undefined) return []
    const { headers } = written
    const path = route.cors === undefined ? ['cors', 'headers'] : ['routes', index, 'cors', 'headers']
    return neededHeaders(config, route).flatMap(({ oneOf = [], allOf = [], why }): readonly DoubtfulOrigins[] => {
      const wanted = oneOf.some(name => headers.includes(name)) ? allOf : [...oneOf.slice(0, 1), ...allOf]
      const lacking = wanted.filter(name => !headers.includes(name))
      const key = JSON.stringify([path, lacking])
      if (lacking.length === 0 || seen.has(key)) return []
      seen.add(key)
      const names = lacking.map(name => `\`${name}\``).join(', ')
      const message = `lacks ${names}, ${why} on route \`${route.id}\`; no page can send what is lacking, so add it, or leave \`headers\` out`
      return [{ code: 'cors-header-missing', path, message }]
    })
  })
}

interface Needed {
  /** Names in lower case, of which one will do. */
  readonly oneOf?: readonly string[]
  /** Names in lower case. */
  readonly allOf?: readonly string[]
  /** Continues the sentence that begins with the names. */
  readonly why: string
}

function neededHeaders({ credentials }: Config, route: RouteConfig): readonly Needed[] {
  if (route.access === 'public') return []
  const sources = route.credentials ?? credentials ?? ['authorization' as const]
  const names = sources.flatMap(source =>
    source === 'authorization' ? [source] : 'header' in source ? [source.header.toLowerCase()] : [],
  )
  return [
    ...(names.length === sources.length ? [{ oneOf: names, why: 'which brings the token' }] : []),
    ...(route.require?.proof === 'dpop' ? [{ oneOf: ['dpop'], why: 'which brings the proof' }] : []),
    ...(route.mcp === undefined
      ? []
      : [{ allOf: ['content-type', ...MCP_REQUEST_HEADERS], why: 'which clients of MCP send' }]),
  ]
}
