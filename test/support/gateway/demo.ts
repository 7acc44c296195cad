/** Runs `sallyport dev` as a process of its own, on ports that the system chooses, and learns of it from its output. */
import type { IssuerAccess } from '../clients/oidc-client.ts'
import { type RunningSallyport, sallyport } from './running.ts'

export const ANY_PORTS: readonly string[] = [
  ...['--port', '0'],
  ...['--admin-port', '0'],
  ...['--issuer-port', '0'],
  ...['--service-port', '0'],
]

/** Matches the last line that it prints. */
export const DEMO_IS_UP = /\/demo\/tokens\/expired\)"\n\n/

export interface DemoUrls {
  readonly gateway: string
  readonly admin: string
  readonly issuer: string
  readonly service: string
}

export interface Demo extends IssuerAccess {
  readonly urls: DemoUrls
  /** Where people sign in. */
  readonly page: string
  readonly process: RunningSallyport
  stop(): Promise<void>
}

/** The request as the demo's service received it and answers with it. */
export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly bodyBytes: number
}

export async function startDemo(): Promise<Demo> {
  const process = sallyport(['dev', ...ANY_PORTS])
  const output = await process.printed(DEMO_IS_UP)
  const urls = demoUrls(output)
  return {
    urls,
    page: found(output, /^Open (http:\S+)/m),
    issuer: urls.issuer,
    clientSecret: found(output, /\bsecret\s+([\w-]+)\)$/m),
    process,
    async stop() {
      process.child.kill('SIGTERM')
      await process.exited
    },
  }
}

/** Reads from the output where each part of the demo is. */
export function demoUrls(output: string): DemoUrls {
  const url = (part: string) => found(output, new RegExp(`^ +${part} +(http://127\\.0\\.0\\.1:\\d+)`, 'm'))
  return { gateway: url('gateway'), admin: url('admin'), issuer: url('issuer'), service: url('service') }
}

function found(output: string, pattern: RegExp): string {
  const [, text] = pattern.exec(output) ?? []
  if (text === undefined) throw new Error(`nothing matches ${pattern} in:\n${output}`)
  return text
}
