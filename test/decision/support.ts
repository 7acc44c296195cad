/** Asks a gateway as each of the proxies does, byte by byte: a question is a request of its client, put into words. */
import { CALLERS, type Caller } from '../../src/decision/callers.ts'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { openWire, type RawReply } from '../support/wire.ts'

export { CALLERS, type Caller }

/** What a proxy's client has sent. */
export interface Original {
  readonly method?: string
  readonly target?: string
  readonly host?: string
  /** Lines as the proxy passes them on. */
  readonly lines?: readonly string[]
}

export interface AskedStack extends TestStack {
  readonly caller: Caller
  readonly decidePort: number
  /** Asks on a connection of its own. */
  ask(original: Original): Promise<RawReply>
  /** Sends bytes to the listener as they are, and takes one answer. */
  send(bytes: string): Promise<RawReply>
}

export async function startAskedStack(
  caller: Caller,
  config: Parameters<typeof startTestStack>[0] = {},
  decide: Readonly<Record<string, unknown>> = {},
): Promise<AskedStack> {
  const stack = await startTestStack((issuer, upstream) => ({
    decide: { listen: '127.0.0.1:0', caller, ...decide },
    ...(typeof config === 'function' ? config(issuer, upstream) : config),
  }))
  const decidePort = Number(new URL(stack.running.decideUrl ?? '').port)
  const send = (bytes: string): Promise<RawReply> => answerOf(decidePort, bytes)
  return { ...stack, caller, decidePort, send, ask: original => send(question(caller, original)) }
}

/** Writes what a well-configured proxy of this kind asks. */
export function question(
  caller: Caller,
  { method = 'GET', target = '/public/a', host = 'app.example', lines = [] }: Original,
): string {
  if (caller === 'envoy') return head(`${method} /decide${target} HTTP/1.1`, [`Host: ${host}`, ...lines])
  const said =
    caller === 'nginx'
      ? [`X-Original-URI: ${target}`, `X-Original-Method: ${method}`]
      : [`X-Forwarded-Uri: ${target}`, `X-Forwarded-Method: ${method}`]
  return head('GET /decide HTTP/1.1', ['Host: sallyport', ...said, `X-Forwarded-Host: ${host}`, ...lines])
}

export function head(requestLine: string, lines: readonly string[]): string {
  return `${[requestLine, ...lines].join('\r\n')}\r\n\r\n`
}

/** Takes one answer to bytes on a connection of their own. */
export async function answerOf(port: number, bytes: string): Promise<RawReply> {
  const wire = openWire(port)
  wire.write(bytes)
  const reply = await wire.reply(bytes.startsWith('HEAD ') ? 'HEAD' : 'GET')
  wire.end()
  if (reply === undefined) throw new Error(`no answer to ${JSON.stringify(bytes.slice(0, 300))}`)
  return reply
}

/** The code of a refusal, or `ok`. */
export function codeOf({ status, body }: Pick<RawReply, 'status' | 'body'>): string {
  return status === 200 ? 'ok' : (JSON.parse(body) as { code: string }).code
}
