/** Writes the first screen of `sallyport dev` in front of one's own service. */
import type { Config } from '../config/schema/schema.ts'
import type { RunningGateway } from '../run/start.ts'
import type { StandInNote } from '../tools/dev/dev-parts.ts'
import { examples, pageToOpen } from '../tools/dev/examples.ts'
import { tokenProviderOf } from '../tools/dev/route-claims.ts'
import { routeTable } from '../tools/dev/route-table.ts'
import { wrapped } from '../tools/text/fitted-table.ts'
import { exampleLines, places } from './dev-report.ts'

interface OwnScreenOptions {
  readonly gateway: RunningGateway
  readonly issuerUrl: string
  /** Undefined: the policy was made for now. */
  readonly file: string | undefined
  readonly notes: readonly StandInNote[]
  /** Why no connection to an upstream can be made, by its id. */
  readonly silent: ReadonlyMap<string, string>
  readonly columns: number
}

export function ownScreen({ gateway, issuerUrl, file, notes, silent, columns }: OwnScreenOptions): string {
  const { config, url } = gateway
  const upstreams = Object.entries(config.upstreams).map(([id, { url: at }]) => {
    const text = at.socketPath === undefined ? at.origin : `unix:${at.socketPath}`
    const failure = silent.get(id)
    return [
      'upstream',
      `${id}: ${text}${failure === undefined ? '' : ` does not answer: ${failure}; requests get 502 until it does`}`,
    ]
  })
  const policy =
    file === undefined
      ? 'made for now: every path needs a token. --save FILE writes it, to be changed and used with -c FILE'
      : `${file} (changes are in force at once)`
  const standIns =
    file === undefined || notes.length === 0
      ? ''
      : `While this runs, in place of what the file says:\n\n${places(
          notes.map(({ at, text }) => [at, text]),
          columns,
        )}\n\n`
  const page = pageToOpen(config)
  const inBrowser = page === undefined ? '' : `Open ${page} in a browser and sign in under any name.\n\n`
  return `
${wrapped('Sallyport in front of your service, with an issuer of its own. Both listen on this machine only; Ctrl-C stops them. Not for production: the issuer gives tokens to whoever asks.', columns).join('\n')}

${inBrowser}${places(
  [
    ['gateway', url],
    ...upstreams,
    ['console', `${gateway.adminUrl}/-/ (a page with what is refused, and why)`],
    ['issuer', issuerUrl],
    ['policy', policy],
  ],
  columns,
)}

${standIns}${routeTable(config.routes, columns).join('\n')}

${wrapped(`Tokens are at ${issuerUrl}/demo/tokens/ROUTE and may do all that this route asks; ?sub=bob&scope=read&CLAIM=VALUE changes them. \`plain\` is a valid token and nothing more, \`expired\` was one.`, columns).join('\n')}

To try in another terminal:

${exampleLines(examples(config, { gateway: url, issuer: issuerUrl }))}

`
}

export function ownTokenLines(config: Config, issuerUrl: string): readonly string[] {
  const routes = config.routes.filter(
    route =>
      route.access !== 'public' && tokenProviderOf(config, route) !== undefined && route.require?.proof === undefined,
  )
  return [...routes.map(({ id }) => id), 'plain', 'expired'].map(
    name => `curl -s ${issuerUrl}/demo/tokens/${encodeURIComponent(name)}`,
  )
}
