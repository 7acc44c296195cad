/**
 * Opens a connection to a server through the proxy of `egress`, for a client that is to send its request there.
 *
 * RFC 9110 §9.3.6 (CONNECT, for `http:` targets, too) and §11.7 (Proxy-Authorization), RFC 7617 (Basic).
 * TLS to the server runs inside the tunnel and is checked by the server's name, so a proxy sees a host and a port and
 * no more; over `http:` it sees everything. Before the tunnel stands, the head of the answer is bounded, every other
 * status than 2xx is a failure, and a byte that comes too early is one, too: it would be read as the server's.
 * It has no timer: `signal` ends it at every stage. It does not retry, and it asks no environment for a proxy.
 */
import http from 'node:http'
import net, { isIP, type Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import tls from 'node:tls'
import { connectionFailureText } from '../lib/connection-failure.ts'
import { readTrustedFile, unreadableText } from '../lib/trusted-file.ts'
import { basicAuthorization, credentialsProblem } from './credentials.ts'
import { type Egress, EgressFailure } from './egress.ts'

interface TunnelOptions {
  /** PEM certificates that replace the system's roots, for the certificate of the target. */
  readonly ca?: string | undefined
  /** The certificate, as PEM, that is shown to the target, and its key. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Ends the tunnel, also when it has been handed over. Its reason is what is thrown. */
  readonly signal: AbortSignal
}

/**
 * @param target `http:` or `https:`; only its host and port count
 * @returns a socket on which HTTP/1.1 can be spoken with the target at once; whoever has it destroys it
 * @throws {EgressFailure} the proxy is at fault; the reason of `signal`; or the {@link Error} of TLS with the target
 */
export async function tunnelTo(target: URL, egress: Egress, options: TunnelOptions): Promise<Socket> {
  const proxyCa = readFile(egress.caFile, 'egress.caFile')?.toString('utf8')
  const authorization = authorizationFrom(egress.credentialsFile)
  const toProxy = new URL(egress.proxy)
  const { signal } = options
  signal.throwIfAborted()
  let socket: Socket | undefined
  try {
    socket = connection(toProxy, proxyCa, signal)
    await connected(socket, toProxy).catch((error: unknown) => {
      throw unreachable(egress, error)
    })
    await askForTunnel({ socket, target, egress, authorization })
    return target.protocol === 'https:' ? await secured(socket, target, options) : socket
  } catch (error) {
    socket?.destroy()
    throw signal.aborted ? signal.reason : error
  }
}

function readFile(path: string | undefined, key: string): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readTrustedFile(path)
  } catch (error) {
    throw new EgressFailure('file', `${key} ${unreadableText(error)}`)
  }
}

function authorizationFrom(path: string | undefined): string | undefined {
  const content = readFile(path, 'egress.credentialsFile')
  if (content === undefined) return undefined
  const problem = credentialsProblem(content)
  if (problem !== undefined) throw new EgressFailure('file', `egress.credentialsFile ${problem}`)
  return basicAuthorization(content)
}

function connection(url: URL, ca: string | undefined, signal: AbortSignal): Socket {
  const { host, port } = placeOf(url)
  const socket =
    url.protocol === 'https:' ? tls.connect({ host, port, ca, ...serverName(host) }) : net.connect({ host, port })
  return watched(socket, signal)
}

/** Runs TLS with the target over the socket, and waits until its certificate is known to be good. */
async function secured(socket: Socket, target: URL, { signal, ...material }: TunnelOptions): Promise<Socket> {
  const { host } = placeOf(target)
  const inner = watched(
    tls.connect({ socket, host, ...material, ...serverName(host), ALPNProtocols: ['http/1.1'] }).once('close', () => {
      socket.destroy()
    }),
    signal,
  )
  try {
    await connected(inner, target)
    return inner
  } catch (error) {
    inner.destroy()
    throw error
  }
}

/** An error of a socket that nobody waits for any more must not end the process. */
function watched(socket: Socket, signal: AbortSignal): Socket {
  socket.on('error', () => {})
  return addAbortSignal(signal, socket)
}

function connected(socket: Socket, { protocol }: URL): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', resolve)
  socket.once('error', reject).once('close', () => reject(dropped()))
  return promise
}

function dropped(): Error {
  return Object.assign(new Error('dropped'), { code: 'ECONNRESET' })
}

function placeOf({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } {
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  }
}

/** RFC 6066 §3: an address is no server name. It is checked against the certificate all the same. */
function serverName(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {}
}

interface TunnelRequest {
  readonly socket: Socket
  readonly target: URL
  readonly egress: Egress
  readonly authorization: string | undefined
}

const MOST_HEADER_BYTES = 16 * 1024

/** Asks the proxy for a tunnel. @throws {EgressFailure} it gives none */
async function askForTunnel({ socket, target, egress, authorization }: TunnelRequest): Promise<void> {
  const { port } = placeOf(target)
  const authority = `${target.hostname}:${port}`
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  http
    .request({
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        'user-agent': 'sallyport',
        ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
      },
      createConnection: () => socket,
      maxHeaderSize: MOST_HEADER_BYTES,
    })
    .on('connect', ({ statusCode = 0 }, _socket, early) => {
      const problem = answerProblem(statusCode, early, authority, authorization)
      if (problem === undefined) resolve()
      else reject(failure(egress, problem))
    })
    .on('error', error => reject(failure(egress, brokenText(error))))
    .on('close', () => reject(failure(egress, brokenText(dropped()))))
    .end()
  await promise
}

function answerProblem(
  status: number,
  early: Buffer,
  authority: string,
  authorization: string | undefined,
): string | undefined {
  if (status >= 200 && status < 300)
    return early.length === 0 ? undefined : `sent data of its own into the tunnel to ${authority}; ask who runs it`
  if (status === 407)
    return authorization === undefined
      ? 'asks for credentials (407); write `user:password` into a file and name it with `egress.credentialsFile`'
      : 'does not take the credentials in `egress.credentialsFile` (407); correct them'
  if (status >= 500)
    return `cannot reach ${authority} (${status}); have it lead there, or list the host in \`egress.noProxy\``
  return `does not let us through to ${authority} (${status}); allow it there, or list the host in \`egress.noProxy\``
}

/** Says how a connection broke before the proxy answered. Of a parser's error only the code passes on. */
function brokenText(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'HPE_HEADER_OVERFLOW') return `answered with more than ${MOST_HEADER_BYTES} bytes of headers (${code})`
  if (code.startsWith('HPE_')) return `does not answer like an HTTP proxy (${code}); correct \`egress.proxy\``
  return `gave no answer: ${connectionFailureText(error)}; see that \`egress.proxy\` names an HTTP proxy`
}

function unreachable({ proxy, caFile }: Egress, error: unknown): EgressFailure {
  const remedy = caFile === undefined ? 'see that `egress.proxy` is right' : 'see `egress.proxy` and `egress.caFile`'
  const text = connectionFailureText(error).replace('`caFile`', '`egress.caFile`')
  return new EgressFailure('proxy', `the proxy ${proxy} cannot be used: ${text}; ${remedy}`)
}

function failure({ proxy }: Egress, problem: string): EgressFailure {
  return new EgressFailure('proxy', `the proxy ${proxy} ${problem}`)
}
