/** The command `sallyport why` tells why a running gateway refused a request, by the id that its client was given. */
import { systemClock } from '../lib/clock.ts'
import { asked, ListenerError, rememberedOf } from '../tools/refusals/admin-listener.ts'
import { refusalText } from '../tools/refusals/refusal-text.ts'
import { withDistances } from '../tools/text/moments.ts'
import { shown } from '../tools/text/shown.ts'
import { ADMIN_HELP, askedListener } from './admin-option.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, RuntimeError, UsageError } from './command.ts'

export const whyCommand: Command = {
  help: `Usage: sallyport why REQUEST_ID [--admin URL] [-c FILE] [--json]

Tells why a request was refused: what was asked, what was decided, what was wanted and seen, what to do about it, and
the command that shows how it is decided. The id stands in the answer (X-Request-Id, and in its body) and in the log.
The gateway remembers its last refusals where the configuration has \`admin.console\`.

${ADMIN_HELP}
  --json              the records as JSON

Exit codes: 0 told; 1 nothing is remembered of it, or the gateway cannot be asked; 2 bad configuration or usage.

Examples:
  sallyport why 4f1c0d6a2b7e4c3f9a8d5e6b7c8d9e0f
  kubectl exec deploy/orders -c sallyport -- node /app/dist/sallyport.js why 4f1c0d6a2b7e4c3f9a8d5e6b7c8d9e0f
  sallyport why 4f1c0d6a2b7e4c3f9a8d5e6b7c8d9e0f --admin http://127.0.0.1:9090 --json
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('why', args, {
      allowPositionals: true,
      options: { admin: { type: 'string' }, config: { type: 'string', short: 'c' }, json: { type: 'boolean' } },
    })
    const [id, ...more] = positionals
    if (id === undefined || id === '' || more.length > 0)
      throw new UsageError('why takes the id of one request, as the header X-Request-Id of its answer has it')
    const { address, config } = askedListener(values, io)
    try {
      const records = await rememberedOf(address, id)
      if (values.json === true) io.stdout(`${JSON.stringify(shown(records), null, 2)}\n`)
      else io.stdout(records.map(record => refusalText(record, io.paint, systemClock.nowMs())).join('\n'))
      if (records.length > 0) return 0
      const { started } = Object(await asked(address, '/-/status')) as { readonly started?: unknown }
      const most = config?.admin?.console?.recent
      io.stderr(withDistances(notFound(shown(id), { started, most }), systemClock.nowMs()))
      return 1
    } catch (error) {
      throw error instanceof ListenerError ? new RuntimeError(error.message) : error
    }
  },
}

function notFound(
  id: string,
  { started, most }: { readonly started: unknown; readonly most: number | undefined },
): string {
  const since = typeof started === 'string' ? ` since it was started (${shown(started)})` : ''
  const last = most === undefined ? 'its last refusals' : `the last ${most} refusals of each of its processes`
  return `nothing is remembered of the request ${id}

The gateway remembers ${last}${since}, and none of requests that passed.
- Was it another replica? Ask each: they do not know of one another.
- Is it too long ago? Raise \`admin.console.recent\`, and look for the id in the access log.
`
}
