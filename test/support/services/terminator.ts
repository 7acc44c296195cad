/**
 * Starts a real TLS terminator on loopback: nginx, HAProxy or Envoy, set up as its documents say to pass on the
 * client's certificate, whoever signed it, and to strip a prefix of the path.
 *
 * HAProxy sends `Client-Cert` (RFC 9440), Envoy `X-Forwarded-Client-Cert`, and nginx percent-encoded PEM. What the
 * client sent under that name is replaced. All three offer HTTP/2 and HTTP/1.1, pass WebSockets on, resume TLS
 * sessions, keep `Host`, and tell the client's address by `X-Forwarded-For`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from '../certificates.ts'
import { freePort } from './free-port.ts'
import { eventually } from './store-server.ts'
import { envoyCommand } from './terminator-envoy.ts'
import { haproxyCommand } from './terminator-haproxy.ts'
import { nginxCommand } from './terminator-nginx.ts'
import { type TerminatorKind, terminatorProgram } from './terminator-programs.ts'

export interface TerminatorOptions {
  /** What the terminator shows to clients. */
  readonly server: Certificate
  /** Where it sends requests to, in the clear: `http://127.0.0.1:8080`. */
  readonly to: string
  /** Requests below this path alone are let in, and lose it: `/shop`. Default: all paths, which stay as they are. */
  readonly prefix?: string
  /**
   * How nginx strips the prefix; the others keep the rest of the path as the client wrote it. `normalised`, which is
   * the default: by the URI of `proxy_pass`, so it decodes the path and resolves its dot segments. `exact`: by a map
   * of `$request_uri`, which keeps every byte.
   */
  readonly nginxPath?: 'normalised' | 'exact'
  /** What Envoy tells of a certificate besides its hash. Default: `cert` and `subject`. */
  readonly envoyDetails?: readonly EnvoyDetail[]
  /** What Envoy does with the header of the client, and with its own. Default: `SANITIZE_SET`. */
  readonly envoyForwarding?: EnvoyForwarding
  /** Which HTTP it sends requests on in; nginx knows HTTP/1.1 alone. Default: `HTTP/1.1`. */
  readonly onwards?: 'HTTP/1.1' | 'HTTP/2'
}

export type EnvoyDetail = 'cert' | 'chain' | 'subject' | 'uri' | 'dns'
export type EnvoyForwarding = 'SANITIZE_SET' | 'APPEND_FORWARD'

export interface Terminator {
  readonly kind: TerminatorKind
  readonly port: number
  /** It ends with the prefix: `https://localhost:12345/shop`. */
  readonly url: string
  /** Name of the header with the client's certificate. */
  readonly header: string
  /** What the terminator has said so far, as when it refuses a handshake. */
  output(): string
  /** Ends it for good, and removes its files. */
  stop(): Promise<void>
}

/** What a kind of terminator makes of the options: the text of its configuration, and how to start it. */
export interface TerminatorCommand {
  readonly config: string
  readonly args: readonly string[]
}

/** What the configuration of a kind of terminator is made of. */
export interface TerminatorSite {
  readonly port: number
  readonly server: Certificate
  /** `127.0.0.1:8080`. */
  readonly upstream: { readonly host: string; readonly port: number }
  /** It is empty where nothing is stripped. */
  readonly prefix: string
  readonly nginxPath: 'normalised' | 'exact'
  readonly envoyDetails: readonly EnvoyDetail[]
  readonly envoyForwarding: EnvoyForwarding
  readonly onwards: 'HTTP/1.1' | 'HTTP/2'
  readonly folder: string
  readonly configFile: string
}

/** These headers carry the client's certificate. */
export const CERTIFICATE_HEADERS: Readonly<Record<TerminatorKind, string>> = Object.freeze({
  nginx: 'x-client-cert',
  haproxy: 'client-cert',
  envoy: 'x-forwarded-client-cert',
})

const COMMANDS: Readonly<Record<TerminatorKind, (site: TerminatorSite) => TerminatorCommand>> = {
  nginx: nginxCommand,
  haproxy: haproxyCommand,
  envoy: envoyCommand,
}

/** @throws {Error} with what it printed, when it does not start */
export async function startTerminator(kind: TerminatorKind, options: TerminatorOptions): Promise<Terminator> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(await freePort(), kind, options)
    } catch (error) {
      // Somebody may have taken the port in between.
      if (attempt === 3 || !/address already in use|cannot bind/i.test(String(error))) throw error
    }
  }
}

async function startOn(port: number, kind: TerminatorKind, options: TerminatorOptions): Promise<Terminator> {
  const { server, to, prefix = '' } = options
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${kind}-`))
  const configFile = join(folder, `terminator.${kind === 'envoy' ? 'json' : 'conf'}`)
  const { hostname, port: upstreamPort } = new URL(to)
  const { config, args } = COMMANDS[kind]({
    port,
    server,
    upstream: { host: hostname, port: Number(upstreamPort) },
    prefix,
    nginxPath: options.nginxPath ?? 'normalised',
    envoyDetails: options.envoyDetails ?? ['cert', 'subject'],
    envoyForwarding: options.envoyForwarding ?? 'SANITIZE_SET',
    onwards: options.onwards ?? 'HTTP/1.1',
    folder,
    configFile,
  })
  writeFileSync(configFile, config)
  const child = spawn(terminatorProgram(kind), args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000)
    })
  // A test that is cut short leaves nothing running.
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  let ended: string | undefined
  child.once('error', error => {
    ended = error.message
  })
  child.once('close', () => {
    ended ??= output
    process.off('exit', killAtExit)
  })
  const stop = async (): Promise<void> => {
    await kill(child)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await eventually(() => {
      if (ended !== undefined) throw new Error(`${kind} did not start:\n${ended}`)
      return isListening(port)
    })
  } catch (error) {
    await stop()
    throw error
  }
  const url = `https://localhost:${port}${prefix}`
  return { kind, port, url, header: CERTIFICATE_HEADERS[kind], output: () => output, stop }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
