/**
 * Judges what the settings of a provider of `type: session` mean together, each provider by itself.
 *
 * RFC 6749 §3.1.2.1 (TLS at the endpoints), RFC 8707 §2 (`resource`), RFC 6265bis §5.2 (same-site requests), OpenID
 * Connect Core 1.0 §3.1.2.1 (`openid`, `prompt`, `max_age`). What providers and routes mean together is judged by
 * `check-session-peers.ts` and `check-session-routes.ts`.
 */
import { issuerTemplate } from '../../issuer-template.ts'
import { hasUserInfo } from '../schema/address.ts'
import type { ProviderConfigs } from '../schema/by-provider-type.ts'
import { durationText } from '../schema/units.ts'
import { urlFindings } from './check-keys.ts'
import type { Finding, Path } from './findings.ts'

type Session = ProviderConfigs['session']

export function sessionFindings(provider: Session, path: Path): readonly Finding[] {
  return [
    ...issuerFindings(provider, path),
    ...scopeFindings(provider, path),
    ...resourceFindings(provider, path),
    ...pathFindings(provider, path),
    ...keyFileFindings(provider, path),
    ...lifetimeFindings(provider, path),
    ...originFindings(provider, path),
    ...logoutFindings(provider, path),
    ...parameterFindings(provider, path),
  ]
}

function issuerFindings(provider: Session, path: Path): readonly Finding[] {
  const at = [...path, 'issuer']
  if (issuerTemplate(provider.issuer) !== undefined || provider.issuer.includes('*'))
    return [{ path: at, message: 'is one provider, where people log in; write its `issuer`, byte for byte' }]
  const [metadata] = /\/\.well-known\/[^/]+\/?$/.exec(provider.issuer) ?? []
  if (metadata !== undefined)
    return [
      {
        path: at,
        message: `is where the metadata are, and they name the \`issuer\`; mostly it is this without \`${metadata}\``,
      },
    ]
  return urlFindings(provider.issuer, provider, at, '`allowInsecureHttp: true` beside it')
}

function scopeFindings({ scopes }: Session, path: Path): readonly Finding[] {
  const at = [...path, 'scopes']
  return [
    ...repeated(at, scopes),
    ...(scopes.includes('openid')
      ? []
      : [{ path: at, message: 'lacks `openid`, without which there is no ID token; add it' }]),
  ]
}

function resourceFindings({ resource }: Session, path: Path): readonly Finding[] {
  const message = resource === undefined ? undefined : resourceProblem(resource)
  return message === undefined ? [] : [{ path: [...path, 'resource'], message }]
}

function resourceProblem(resource: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(resource))
    return 'must be a URL like `https://api.example.com`; a provider that knows its APIs by name wants `parameters: { audience: … }`'
  if (resource.includes('#')) return 'has a fragment; leave out `#` and what follows'
  return hasUserInfo(resource) ? 'carries credentials; leave out the part before `@`' : undefined
}

function pathFindings({ paths }: Session, path: Path): readonly Finding[] {
  if (!paths.endsWith('/')) return []
  const remedy = paths === '/' ? '`/auth`' : `\`${paths.replace(/\/+$/, '')}\``
  return [
    { path: [...path, 'paths'], message: `must not end with \`/\`: \`login\` and others follow it; write ${remedy}` },
  ]
}

function keyFileFindings({ keyFiles }: Session, path: Path): readonly Finding[] {
  return repeated([...path, 'keyFiles'], keyFiles)
}

function lifetimeFindings({ lifetime }: Session, path: Path): readonly Finding[] {
  const { idle, absolute, refreshBefore, grace } = lifetime
  const at = [...path, 'lifetime']
  const most = `\`absolute\`, which is \`${durationText(absolute)}\``
  const found: Finding[] = []
  if (idle > absolute)
    found.push({
      path: [...at, 'idle'],
      message: `must not be longer than ${most}${unlessWritten(idle, '30m')}; lower it, or raise that`,
    })
  for (const [key, value, left] of [
    ['refreshBefore', refreshBefore, '1m'],
    ['grace', grace, '30s'],
  ] as const)
    if (value >= absolute)
      found.push({
        path: [...at, key],
        message: `must be shorter than ${most}${unlessWritten(value, left)}; lower it, or raise that`,
      })
  return found
}

/** A value that is the default may stand in no line of the file. */
function unlessWritten(value: number, byDefault: string): string {
  return durationText(value) === byDefault ? ` (left out, it is \`${byDefault}\`)` : ''
}

function originFindings({ allowOrigins, publicUrl }: Session, path: Path): readonly Finding[] {
  const at = [...path, 'allowOrigins']
  return [
    ...repeated(at, allowOrigins),
    ...allowOrigins.flatMap((origin, index): readonly Finding[] => {
      const message =
        origin === publicUrl
          ? 'is `publicUrl`, whose own pages may use the session anyway; leave it out'
          : otherSiteProblem(origin, publicUrl)
      return message === undefined ? [] : [{ path: [...at, index], message }]
    }),
  ]
}

/**
 * Says why a browser would never send the cookie for such a page. Which names are registered for whom is not known
 * here, so that only what differs by every list is refused.
 */
export function otherSiteProblem(page: string, publicUrl: string): string | undefined {
  const [origin, own] = [new URL(page), new URL(publicUrl)]
  if (origin.protocol !== own.protocol)
    return `has no effect: to browsers, \`${origin.protocol}\` and \`${own.protocol}\` are different sites, and the cookie stays within its own; use one of them in both`
  if (siteOf(origin) === siteOf(own)) return undefined
  return `has no effect: it is of another site than \`${own.host}\`, and browsers keep the cookie within its own; serve both below one domain, or let that page use tokens`
}

/** The most that two hosts of one site can differ in is what stands before the last two labels. */
function siteOf({ hostname }: URL): string {
  return /^[\d.]+$|^\[/.test(hostname) ? hostname : hostname.split('.').slice(-2).join('.')
}

function logoutFindings({ afterLogout, paths }: Session, path: Path): readonly Finding[] {
  const [place = ''] = afterLogout.split('?', 1)
  const dead = ['callback', 'logout', 'backchannel-logout'].find(name => place === `${paths}/${name}`)
  if (dead === undefined) return []
  const message = 'is an endpoint of the provider itself, which shows nothing; name a page'
  return [{ path: [...path, 'afterLogout'], message }]
}

function parameterFindings({ parameters, scopes }: Session, path: Path): readonly Finding[] {
  const at = [...path, 'parameters']
  const { prompt, max_age: maxAge, access_type: accessType } = parameters
  const found: Finding[] = []
  if (prompt?.split(' ').includes('none') === true)
    found.push({
      path: [...at, 'prompt'],
      message: '`none` shows no login page, so that nobody can log in; write `login`, `consent` or `select_account`',
    })
  if (maxAge !== undefined && !/^\d+$/.test(maxAge))
    found.push({ path: [...at, 'max_age'], message: "must be whole seconds in quotes, like `'3600'`" })
  if (accessType === 'offline' && scopes.includes('offline_access'))
    found.push({
      path: [...at, 'access_type'],
      message: 'asks for what `offline_access` in `scopes` asks for; leave out the one that the provider does not know',
    })
  return found
}

function repeated(at: Path, values: readonly string[]): readonly Finding[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index ? [] : [{ path: [...at, index], message: 'is listed already; leave it out' }],
  )
}
