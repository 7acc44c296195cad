/**
 * Writes the first screen of the demo: where to sign in, where things listen, the routes, and `curl` lines to paste as
 * they are.
 *
 * Each `curl` line asks the embedded issuer for its token, so it stays short and never goes stale. An interactive zsh
 * takes comments for commands, so they hold no character that would make it fail.
 */
import type { DemoService } from '../demo/demo-service.ts'
import type { Issuer } from '../demo/issuer.ts'
import type { RunningGateway } from '../run/start.ts'
import type { Example } from '../tools/dev/examples.ts'
import { routeTable } from '../tools/dev/route-table.ts'
import { fittedTable } from '../tools/text/fitted-table.ts'

interface DemoScreenOptions {
  readonly gateway: Pick<RunningGateway, 'url' | 'adminUrl' | 'config'>
  /** By which browsers find the gateway. */
  readonly browserUrl: string
  readonly issuer: Issuer
  readonly service: DemoService
  readonly configFile: string
  readonly columns: number
}

export function demoScreen(options: DemoScreenOptions): string {
  const { gateway, browserUrl, issuer, service, configFile, columns } = options
  return `
Sallyport demo. All of it runs in this process and listens on this machine
only; Ctrl-C stops it.

Open ${browserUrl}/ in a browser and sign in under any name.

${places(
  [
    ['gateway', `${gateway.url} (for programs; people open ${browserUrl})`],
    ['admin', `${gateway.adminUrl}/readyz, /metrics, /-/status`],
    ['console', `${gateway.adminUrl}/-/ (a page with what is refused, and why)`],
    ['issuer', `${issuer.issuer} (client ${issuer.clientId}, secret ${issuer.clientSecret})`],
    ['service', `${service.url} (what the gateway protects; it answers with the headers it received)`],
    ['configuration', `${configFile} (changes are in force at once)`],
  ],
  columns,
)}

${routeTable(gateway.config.routes, columns).join('\n')}

To try in another terminal:

${exampleLines(demoExamples(gateway.url, issuer))}

`
}

/** Lists where things are, so that they fit a terminal. */
export function places(rows: ReadonlyArray<readonly string[]>, columns: number): string {
  return fittedTable(rows, columns - 2)
    .map(row => `  ${row}`)
    .join('\n')
}

export function exampleLines(examples: readonly Example[]): string {
  return examples.map(({ title, command }) => `# ${title}\n${command}`).join('\n\n')
}

export function demoTokenLines(issuer: string): readonly string[] {
  return ['reader', 'writer', 'expired'].map(name => `curl -s ${issuer}/demo/tokens/${name}`)
}

function demoExamples(gateway: string, { issuer, clientId: subject }: Issuer): readonly Example[] {
  const bearer = (kind: string) => ` \\\n  -H "Authorization: Bearer $(curl -s ${issuer}/demo/tokens/${kind})"`
  const call = `curl -i ${gateway}/orders/42`
  const change = `curl -i -X DELETE ${gateway}/orders/42`
  return [
    { title: `allowed: 200, and the service sees x-auth-subject: ${subject}`, command: call + bearer('reader') },
    { title: 'no token: 401 with a challenge', command: call },
    { title: 'missing scope: 403, this token may read but not write', command: change + bearer('reader') },
    { title: 'the same with the scope orders:write: 200', command: change + bearer('writer') },
    {
      title: `forged identity header: the service still sees ${subject}, in one spelling`,
      command: `${call} \\\n  -H 'X-Auth-Subject: root' -H 'x_auth_subject: root'${bearer('reader')}`,
    },
    { title: 'expired token: 401', command: call + bearer('expired') },
  ]
}
