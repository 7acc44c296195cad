/**
 * Makes a configuration file run on the machine of whoever writes it: for this machine only, with the embedded issuer
 * for its providers, with services that are named on the command line, and without files that exist elsewhere.
 *
 * It changes what was read and never the file, and says each change. Routes, requirements and identity headers are not
 * touched, so that what is tried is the policy. What cannot be stood in for is refused by the gateway as it
 * would be anywhere; but TLS is left out, and client certificates that it would have asked for with it.
 */
import { existsSync } from 'node:fs'
import type { DevParts, StandInNote } from './dev-parts.ts'
import { eachMap, isMap, type RawMap, without } from './raw-value.ts'
import { stoodInProvider } from './stood-in-providers.ts'

interface StoodIn {
  /** What counts in place of the value of the file. */
  readonly value: unknown
  readonly notes: readonly StandInNote[]
}

type Change = (file: RawMap, parts: DevParts, notes: StandInNote[]) => RawMap

/** @param value of the whole file, unchecked: what has the wrong form stays, to be told as anywhere */
export function stoodIn(value: unknown, parts: DevParts): StoodIn {
  if (!isMap(value)) return { value, notes: [] }
  const notes: StandInNote[] = []
  const changed = CHANGES.reduce((file, change) => change(file, parts, notes), value)
  return { value: changed, notes }
}

const DEFAULT_PORT = 8080
/** To a browser, each is a site of its own, and has a cookie of its own. */
const LOGIN_HOSTS = ['localhost', '127.0.0.1']

/** The last port in the text of an address; undefined where there is none. */
function portOf(address: unknown): number | undefined {
  const text = isMap(address) ? address.address : address
  const [, port] = typeof text === 'string' ? (/:(\d{1,5})$/.exec(text) ?? []) : []
  return port === undefined || Number(port) > 65_535 ? undefined : Number(port)
}

/** The port on which the gateway listens; 0 for a free one. */
function listenPort(value: unknown, parts: Pick<DevParts, 'gatewayPort'>): number {
  return parts.gatewayPort ?? (isMap(value) ? portOf(value.listen) : undefined) ?? DEFAULT_PORT
}

const CHANGES: readonly Change[] = [
  function listen(file, parts, notes) {
    const port = listenPort(file, parts)
    const written = isMap(file.listen) ? file.listen : {}
    if (written.tls !== undefined)
      notes.push({ at: 'listen.tls', text: 'left out: this is plain HTTP, and nobody is asked for a certificate' })
    const address = `127.0.0.1:${port}`
    const shown = isMap(file.listen) ? file.listen.address : file.listen
    if (typeof shown === 'string' && shown !== address) notes.push({ at: 'listen', text: `${address}, not ${shown}` })
    const trusted = Array.isArray(written.trustedProxies) ? written.trustedProxies : []
    // Certificates can only come in a header then, from a proxy on this machine.
    const certificates = file.clientCertificate !== undefined || (isMap(written.tls) && written.tls.clientCertificate)
    const listened = { address, trustedProxies: certificates ? [...trusted, '127.0.0.1'] : trusted }
    if (!certificates) return { ...file, listen: listened }
    notes.push({ at: 'clientCertificate', text: 'read from a header of this machine' })
    const block = isMap(file.clientCertificate) ? file.clientCertificate : {}
    return { ...file, listen: listened, clientCertificate: { ...block, from: 'header' } }
  },
  function admin(file, { adminPort }, notes) {
    const written = isMap(file.admin) ? file.admin : {}
    const port = adminPort ?? portOf(written.listen) ?? 0
    const console = { subjects: 'plain', ...(isMap(written.console) ? without(written.console, 'from') : {}) }
    const address = `127.0.0.1:${port}`
    const { listen } = written
    const shown = isMap(listen) ? listen.address : listen
    if (typeof shown === 'string' && shown !== address)
      notes.push({ at: 'admin.listen', text: `${address}, not ${shown}` })
    return { ...file, admin: { ...written, listen: address, console } }
  },
  function providers(file, parts, notes) {
    const logins: string[] = []
    const changed = eachMap(file.providers, (provider, id) => {
      if (provider.type === 'session') logins.push(id)
      const login = LOGIN_HOSTS[logins.indexOf(id)] ?? 'localhost'
      return stoodInProvider(provider, { ...parts, gatewayPort: listenPort(file, parts) }, { id, login, notes })
    })
    return changed === undefined ? file : { ...file, providers: changed }
  },
  function upstreams(file, parts, notes) {
    const [only, ...more] = isMap(file.upstreams) ? Object.keys(file.upstreams) : []
    const named = new Map([...parts.upstreams].map(([id, url]) => [id === '' && more.length === 0 ? only : id, url]))
    if (!isMap(file.upstreams)) return file
    const changed = Object.entries(file.upstreams).map(([id, written]): [string, unknown] => {
      const url = named.get(id)
      const upstream = isMap(written) ? without(written, 'exchange') : written
      if (isMap(written) && written.exchange !== undefined)
        notes.push({ at: `upstreams.${id}.exchange`, text: 'left out: the service gets no token' })
      const block = isMap(upstream) ? upstream : { url: upstream }
      if (url === undefined)
        return [id, isMap(upstream) ? withoutMissingFiles(upstream, `upstreams.${id}`, notes) : upstream]
      if (block.url !== url) notes.push({ at: `upstreams.${id}`, text: `${url}, not ${block.url}` })
      return [id, { ...without(block, 'tls'), url }]
    })
    return { ...file, upstreams: Object.fromEntries(changed) }
  },
  function stores(file, _parts, notes) {
    if (file.store === undefined) return file
    notes.push({ at: 'store', text: 'left out: sessions, revocations, proofs and limits are those of this process' })
    if (!isMap(file.dpop) || !isMap(file.dpop.replay)) return without(file, 'store')
    const replay = without(file.dpop.replay, 'store', 'whenUnavailable')
    return { ...without(file, 'store'), dpop: { ...file.dpop, replay } }
  },
  function limits(file) {
    // A single process counts all, and nothing is told to anybody.
    const rateLimits = eachMap(file.rateLimits, limit => without(limit, 'store', 'sync', 'exact', 'onFailure'))
    return rateLimits === undefined ? file : { ...file, rateLimits }
  },
  function proofs(file, parts, notes) {
    if (!isMap(file.dpop)) return file
    const { nonce, baseUrls } = file.dpop
    const here = `http://127.0.0.1:${listenPort(file, parts)}`
    if (isMap(nonce)) notes.push({ at: 'dpop.nonce.secretFile', text: 'a secret made for now' })
    const dpop = {
      ...file.dpop,
      ...(isMap(nonce) && { nonce: { ...nonce, secretFile: parts.sessionKeyFile } }),
      ...(Array.isArray(baseUrls) && { baseUrls: [...baseUrls.filter(each => each !== here), here] }),
    }
    return { ...file, dpop }
  },
  function revocation(file, _parts, notes) {
    if (!isMap(file.revocation)) return file
    const isMissing = (at: string, path: unknown): boolean => {
      if (typeof path !== 'string' || existsSync(path)) return false
      notes.push({ at: `revocation.${at}`, text: `left out: ${path} is not here` })
      return true
    }
    const { file: entries, api, signals } = file.revocation
    const missing = [
      ...(isMissing('file', entries) ? ['file'] : []),
      ...(isMap(api) && isMissing('api', api.tokenFile) ? ['api'] : []),
      ...(Array.isArray(signals) && signals.some(each => isMap(each) && isMissing('signals', each.tokenFile))
        ? ['signals']
        : []),
    ]
    const left = without(file.revocation, 'store', 'whenStale', 'shortLived', 'cacheFile', ...missing)
    // Without a store nothing falls silent, and no route has anything to say of that.
    const routes = Array.isArray(file.routes)
      ? file.routes.map(route => (isMap(route) ? without(route, 'revocation') : route))
      : file.routes
    const isTold = ['file', 'api', 'backchannelLogout', 'signals'].some(source => left[source] !== undefined)
    if (!isTold) notes.push({ at: 'revocation', text: 'left out: nobody here tells of revocations' })
    return { ...without(file, 'revocation'), ...(isTold && { revocation: left }), routes }
  },
  function others(file, _parts, notes) {
    for (const name of ['egress', 'traces', 'audit'])
      if (file[name] !== undefined) notes.push({ at: name, text: 'left out' })
    const log = isMap(file.log) ? without(file.log, 'format', 'access') : {}
    return { ...without(file, 'egress', 'traces', 'audit', 'workers'), log }
  },
]

/** Leaves out the files of `tls` that do not exist here. */
function withoutMissingFiles(upstream: RawMap, at: string, notes: StandInNote[]): RawMap {
  if (!isMap(upstream.tls)) return upstream
  const missing = Object.entries(upstream.tls).filter(
    ([, path]) => typeof path === 'string' && path.startsWith('/') && !existsSync(path),
  )
  for (const [name, path] of missing) notes.push({ at: `${at}.tls.${name}`, text: `left out: ${path} is not here` })
  return missing.length === 0
    ? upstream
    : { ...upstream, tls: without(upstream.tls, 'certFile', 'keyFile', ...missing.map(([name]) => name)) }
}
