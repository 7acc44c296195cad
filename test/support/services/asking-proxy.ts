/** Starts a real proxy that asks the gateway, on the configuration that `sallyport snippet` has printed for it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CADDY, WITHOUT_CADDY } from './caddy-program.ts'
import { eventually } from './store-server.ts'
import { terminatorProgram, WITHOUT_TERMINATORS } from './terminator-programs.ts'

export const ASKING_KINDS = ['nginx', 'caddy', 'envoy'] as const
export type AskingKind = (typeof ASKING_KINDS)[number]

export const WITHOUT_PROXIES = WITHOUT_TERMINATORS || WITHOUT_CADDY

export interface AskingProxy {
  readonly port: number
  /** What it has said so far. */
  output(): string
  stop(): Promise<void>
}

/** @param snippet as printed, for a proxy that listens on 127.0.0.1 @throws {Error} with what it printed */
export async function startAskingProxy(kind: AskingKind, snippet: string, port: number): Promise<AskingProxy> {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-asking-${kind}-`))
  const file = join(folder, kind === 'envoy' ? 'envoy.yaml' : kind === 'caddy' ? 'Caddyfile' : 'snippet.conf')
  writeFileSync(file, snippet)
  const child = spawn(kind === 'caddy' ? CADDY : terminatorProgram(kind), argumentsOf(kind, folder, file), {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000)
    })
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  let hasEnded = false
  const closed = once(child, 'close').then(() => {
    hasEnded = true
    process.off('exit', killAtExit)
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await eventually(() => {
      if (hasEnded) throw new Error(`${kind} did not start:\n${output}`)
      return isListening(port)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { port, output: () => output, stop }
}

function argumentsOf(kind: AskingKind, folder: string, file: string): readonly string[] {
  if (kind === 'caddy') {
    // Its port for changes is one for all of this machine.
    const options = join(folder, 'all.caddyfile')
    writeFileSync(options, `{\n\tadmin off\n\tauto_https off\n}\nimport ${file}\n`)
    return ['run', '--config', options, '--adapter', 'caddyfile']
  }
  if (kind === 'envoy') return ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'warning']
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const main = `
daemon off;
master_process off;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
${temporary.map(name => `  ${name}_temp_path ${join(folder, name)};`).join('\n')}
  include ${file};
}
`
  writeFileSync(join(folder, 'nginx.conf'), main)
  return ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')]
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
