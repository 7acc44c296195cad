/** A gateway that is asked, a service, and a real proxy between them on the configuration that we print for it. */
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { snippetCommand } from '../../../src/cli/snippet.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { type AskingKind, type AskingProxy, startAskingProxy } from '../../support/services/asking-proxy.ts'
import { freePort } from '../../support/services/free-port.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { openWire, type RawReply, type Wire } from '../../support/wire.ts'

export interface ProxiedStack {
  readonly gateway: TestGateway
  readonly issuer: TestIssuer
  readonly service: TestUpstream
  readonly proxy: AskingProxy
  readonly decidePort: number
  /** The configuration of the gateway. */
  readonly file: string
  /** As printed for the proxy. */
  readonly snippet: string
  close(): Promise<void>
}

export async function startProxiedStack(
  kind: AskingKind,
  config: Readonly<Record<string, unknown>>,
): Promise<ProxiedStack> {
  const issuer = await startTestIssuer()
  const service = await startTestUpstream()
  const [decidePort, listenPort, port] = [await freePort(), await freePort(), await freePort()]
  const whole = {
    listen: { address: `127.0.0.1:${listenPort}`, trustedProxies: ['127.0.0.1'] },
    decide: { listen: `127.0.0.1:${decidePort}`, caller: kind },
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url },
    ...config,
  }
  const gateway = await startTestGateway(whole)
  const file = join(tmpdir(), `sallyport-asked-${port}.yaml`)
  writeFileSync(file, stringify(whole, { aliasDuplicateObjects: false }))
  const snippet = await printedSnippet(kind, file, port)
  const proxy = await startAskingProxy(kind, snippet, port)
  return {
    gateway,
    issuer,
    service,
    proxy,
    decidePort,
    file,
    snippet,
    async close() {
      await proxy.stop()
      rmSync(file)
      await gateway.close()
      await Promise.all([issuer.close(), service.close()])
    },
  }
}

/** @param service port of the service; left out: that of the file */
export async function printedSnippet(kind: AskingKind, file: string, port: number, service?: number): Promise<string> {
  const to = service === undefined ? [] : ['--service', `http://127.0.0.1:${service}`]
  const printed = await runCommand(snippetCommand, [kind, '-c', file, '--listen', `127.0.0.1:${port}`, ...to])
  if (printed.code !== 0) throw new Error(printed.stderr)
  return printed.stdout
}

export interface Sent {
  readonly method?: string
  readonly target: string
  readonly lines: readonly string[]
}

/** Sends all of them, several at a time on connections that are kept. @returns the answers, in the same order */
export async function sendAll(port: number, requests: readonly Sent[]): Promise<readonly (RawReply | undefined)[]> {
  const replies: Array<RawReply | undefined> = []
  let next = 0
  const lane = async (): Promise<void> => {
    let wire: Wire | undefined
    for (let at = next++; at < requests.length; at = next++) {
      wire ??= openWire(port)
      const { method = 'GET', target, lines } = requests[at] as Sent
      wire.write(`${[`${method} ${target} HTTP/1.1`, 'Host: app.example', ...lines].join('\r\n')}\r\n\r\n`)
      const reply = await wire.reply(method)
      replies[at] = reply
      if (reply?.complete === true && !/close/i.test(reply.headers.get('connection') ?? '')) continue
      wire.end()
      wire = undefined
    }
    wire?.end()
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return replies
}

/** Sends one request with whatever follows its head. */
export async function sendRaw(port: number, line: string, lines: readonly string[]): Promise<RawReply> {
  const wire = openWire(port)
  wire.write(`${[`${line} HTTP/1.1`, 'Host: app.example', ...lines].join('\r\n')}`)
  const reply = await wire.reply()
  wire.end()
  if (reply === undefined) throw new Error(`no answer to ${line}`)
  return reply
}
