/**
 * Goes the way to a server one step after the other, to say at which of them it ends: name, connection, certificate.
 *
 * RFC 8305 (a host has several addresses, and each is tried), RFC 5280 §4.1.2.5 (validity), RFC 6125 (the name).
 * Through a proxy, the first two steps lead to the proxy, and the tunnel is a step of its own.
 */
import type { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { type Egress, EgressFailure } from '../../egress/egress.ts'
import { tunnelTo } from '../../egress/tunnel.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { hostOf } from '../../upstream/connector.ts'
import { exactTime, withDistances } from '../text/moments.ts'
import { shown } from '../text/shown.ts'
import { fail, ok, type Verdict, warn } from './finding.ts'
import { step } from './steps.ts'

/** One step of the way, and what was seen there. */
export interface Step {
  readonly check: 'dns' | 'tcp' | 'tls' | 'proxy'
  readonly verdict: Verdict
}

interface Way {
  readonly url: URL
  /** PEM certificates that replace the system's roots. */
  readonly ca: string | undefined
  /** The proxy to go through; undefined goes directly. */
  readonly proxy: Egress | undefined
  readonly stepMs: number
  readonly nowMs: number
}

const THROUGH_PROXY = 'config/README.md#through-a-proxy'
const KEYS = 'config/README.md#providersjwtkeys'
const OUTAGES = 'config/README.md#keys-and-outages'

/** @returns the steps in order; it ends with the first that fails */
export async function steps(way: Way): Promise<readonly Step[]> {
  const { url, proxy } = way
  const first = proxy === undefined ? url : new URL(proxy.proxy)
  const named = await nameSteps(first, way.stepMs)
  if (named.addresses.length === 0) return named.steps
  const connected = await connectionStep(first, named.addresses, way.stepMs)
  const before = [...named.steps, connected.step]
  if (connected.address === undefined) return before
  if (proxy !== undefined) return [...before, ...(await tunnelSteps(way, proxy))]
  return url.protocol === 'https:' ? [...before, await tlsStep(way, connected.address)] : before
}

/** Is true when each step leads to the next. */
export function leads(found: readonly Step[]): boolean {
  return found.every(({ verdict }) => verdict.outcome !== 'fail')
}

async function nameSteps(url: URL, stepMs: number) {
  const { host } = hostOf(url.origin)
  if (isIP(host) !== 0) return { addresses: [host], steps: [] as readonly Step[] }
  try {
    const addresses = (await step(stepMs, () => lookup(host, { all: true }))).map(({ address }) => address)
    return { addresses, steps: [{ check: 'dns', verdict: ok(`${host} is ${addresses.join(', ')}`) }] as const }
  } catch (error) {
    const verdict = fail(
      `the name ${host} leads nowhere: ${connectionFailureText(error)}`,
      'see that the name is spelled right, and that the name server of this machine or pod knows it',
      OUTAGES,
    )
    return { addresses: [], steps: [{ check: 'dns', verdict }] as const }
  }
}

async function connectionStep(url: URL, addresses: readonly string[], stepMs: number) {
  const { port } = hostOf(url.origin)
  const tried = await Promise.all(addresses.map(async host => ({ host, failure: await refusal(host, port, stepMs) })))
  const address = tried.find(({ failure }) => failure === undefined)?.host
  const failed = tried.flatMap(({ host, failure }) =>
    failure === undefined ? [] : [`${place(host, port)}: ${failure}`],
  )
  const seen = failed.join('; ')
  const verdict =
    address === undefined
      ? fail(
          `no connection to ${seen}`,
          'see that the server runs, and that network policies and firewalls let us through',
          OUTAGES,
        )
      : failed.length > 0
        ? warn(
            `some addresses take no connections: ${seen}`,
            'have the name lead to addresses that answer from here',
            OUTAGES,
          )
        : ok(`${addresses.map(host => place(host, port)).join(', ')} takes connections`)
  return { address, step: { check: 'tcp', verdict } as const }
}

/** Connects and hangs up. @returns why that failed; undefined when it did not */
export async function refusal(host: string, port: number, stepMs: number): Promise<string | undefined> {
  const socket = connect({ host, port })
  try {
    await step(stepMs, () => readied(socket, 'connect'))
    return undefined
  } catch (error) {
    return connectionFailureText(error)
  } finally {
    socket.destroy()
  }
}

export function place(host: string, port: number): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

/** Nothing is sent, so a certificate that is not good may be looked at before it is refused. */
async function tlsStep({ url, ca, stepMs, nowMs }: Way, address: string): Promise<Step> {
  const { host, port } = hostOf(url.origin)
  const asked = isIP(host) === 0 ? { host: address, servername: host } : { host, servername: '' }
  const socket = connectTls({ ...asked, port, ca, rejectUnauthorized: false })
  try {
    await step(stepMs, () => readied(socket, 'secureConnect'))
    const verdict = socket.authorized
      ? certificateVerdict(socket, nowMs)
      : tlsFailure(Object.assign(new Error(), { code: socket.authorizationError }), socket.getPeerX509Certificate())
    return { check: 'tls', verdict }
  } catch (error) {
    return { check: 'tls', verdict: tlsFailure(error, undefined) }
  } finally {
    socket.destroy()
  }
}

function tlsFailure(error: unknown, certificate: X509Certificate | undefined): Verdict {
  const what = certificate === undefined ? '' : `; it is for ${namesOf(certificate)}, until ${certificate.validTo}`
  return fail(
    `TLS fails: ${connectionFailureText(error)}${what}`,
    'have the server show a certificate of this name that is in force, and name its authority by `caFile`',
    KEYS,
  )
}

/** A certificate is renewed at two thirds of its time by common tools, and by hand some days before its end. */
const SOON_MS = 14 * 24 * 3600 * 1000

function certificateVerdict(socket: TLSSocket, nowMs: number): Verdict {
  const chain = chainOf(socket.getPeerX509Certificate())
  const [leaf] = chain
  const [first] = chain.toSorted((a, b) => a.validToDate.getTime() - b.validToDate.getTime())
  if (leaf === undefined || first === undefined) return ok(`${socket.getProtocol()}, and no certificate is shown`)
  const leftMs = first.validToDate.getTime() - nowMs
  const lifetimeMs = first.validToDate.getTime() - first.validFromDate.getTime()
  const which = first === leaf ? 'which' : 'and one above it'
  const seen = `${socket.getProtocol()}, a certificate for ${namesOf(leaf)}, ${which} expires at ${exactTime(first.validToDate.getTime())}`
  if (leftMs >= Math.min(SOON_MS, lifetimeMs / 3)) return ok(withDistances(seen, nowMs))
  return warn(
    withDistances(seen, nowMs),
    'have the certificate renewed, and see why that does not happen by itself',
    KEYS,
  )
}

function chainOf(leaf: X509Certificate | undefined): readonly X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let each = leaf; each !== undefined && chain.length < 8; each = each.issuerCertificate) {
    if (chain.some(({ fingerprint256 }) => fingerprint256 === each?.fingerprint256)) break
    chain.push(each)
  }
  return chain
}

const MOST_NAMES_SHOWN = 200

/** The other end wrote these, so they are made fit to be printed, and cut. */
function namesOf({ subjectAltName, subject }: X509Certificate): string {
  return shown((subjectAltName ?? subject ?? 'nobody').slice(0, MOST_NAMES_SHOWN))
}

async function tunnelSteps({ url, ca, stepMs, nowMs }: Way, egress: Egress): Promise<readonly Step[]> {
  let socket: Socket | undefined
  const passed: Step = { check: 'proxy', verdict: ok(`${egress.proxy} leads to ${url.host}`) }
  try {
    socket = await step(stepMs, signal => tunnelTo(url, egress, { ca, signal }))
    if (!(socket instanceof TLSSocket)) return [passed]
    return [passed, { check: 'tls', verdict: certificateVerdict(socket, nowMs) }]
  } catch (error) {
    if (error instanceof EgressFailure || !(error instanceof Error && 'code' in error))
      return [{ check: 'proxy', verdict: fail(proxyText(error), 'correct `egress`', THROUGH_PROXY) }]
    if (error.code === 'ETIMEDOUT')
      return [
        {
          check: 'proxy',
          verdict: fail(`${egress.proxy}: ${connectionFailureText(error)}`, 'correct `egress`', THROUGH_PROXY),
        },
      ]
    return [passed, { check: 'tls', verdict: tlsFailure(error, undefined) }]
  } finally {
    socket?.destroy()
  }
}

function proxyText(error: unknown): string {
  return error instanceof EgressFailure ? error.message : connectionFailureText(error)
}

function readied(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A socket that is destroyed late must not end the process.
  socket.on('error', reject)
  socket.once('close', () => reject(Object.assign(new Error('dropped'), { code: 'ECONNRESET' })))
  socket.once(event, resolve)
  return promise
}
