/** The command `sallyport tail` shows what a running gateway refuses, as it happens. */
import { setTimeout as pause } from 'node:timers/promises'
import type { RecentRefusal } from '../admin/recent.ts'
import type { Address } from '../config/schema/schema.ts'
import { didYouMean } from '../config/schema/suggest.ts'
import { DENIAL_CODES } from '../errors.ts'
import { addressText } from '../tools/admin/addresses.ts'
import { ListenerError, liveRefusals } from '../tools/refusals/admin-listener.ts'
import { refusalLine } from '../tools/refusals/refusal-text.ts'
import { shown } from '../tools/text/shown.ts'
import { ADMIN_HELP, askedListener } from './admin-option.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type CommandIo, RuntimeError, UsageError } from './command.ts'

export const tailCommand: Command = {
  help: `Usage: sallyport tail [--route ID]... [--code CODE]... [--admin URL] [-c FILE] [--json]

Shows refusals as they happen, one line each with its reason, and first those that the gateway remembers. What a
report-only route would have refused is among them. It goes on when the gateway starts again; Ctrl+C ends it.
The gateway tells them where the configuration has \`admin.console\`.

  --route ID          only those of this route; may be repeated
  --code CODE         only those with this code, such as scope_missing; may be repeated
${ADMIN_HELP}
  --json              one JSON object a line

Exit codes: 0 ended by Ctrl+C; 1 the gateway cannot be asked; 2 bad configuration or usage.

Examples:
  sallyport tail
  sallyport tail --route orders --code scope_missing
  sallyport tail --admin unix:/run/sallyport/admin.sock --json
`,
  async run(args, io) {
    const { values } = parsedArguments('tail', args, {
      options: {
        route: { type: 'string', multiple: true },
        code: { type: 'string', multiple: true },
        admin: { type: 'string' },
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean' },
      },
    })
    const codes: readonly string[] = DENIAL_CODES
    const unknown = values.code?.find(code => !codes.includes(code))
    if (unknown !== undefined) {
      const meant = didYouMean(unknown, codes) || ' config/README.md lists all.'
      throw new UsageError(`there is no code "${shown(unknown)}".${meant}`)
    }
    const { address, config } = askedListener(values, io)
    const strange = values.route?.find(route => config?.routes.every(({ id }) => id !== route))
    if (strange !== undefined) {
      const meant = didYouMean(strange, config?.routes.map(({ id }) => id) ?? [])
      io.stderr(
        `the configuration has no route "${shown(strange)}".${meant || ' Endpoints have names in parentheses.'}\n`,
      )
    }
    const isAsked = ({ route, code }: RecentRefusal): boolean =>
      (values.route === undefined || (route !== undefined && values.route.includes(route))) &&
      (values.code === undefined || values.code.includes(code))
    const print = (refusal: RecentRefusal): void => {
      if (isAsked(refusal))
        io.stdout(`${values.json === true ? JSON.stringify(shown(refusal)) : refusalLine(refusal, io.paint)}\n`)
    }
    await followed(address, print, io)
    return 0
  },
}

const PAUSE_MS = 1_000

/** @throws {RuntimeError} the gateway cannot be asked, and could not be before */
async function followed(address: Address, print: (refusal: RecentRefusal) => void, io: CommandIo): Promise<void> {
  const stopping = new AbortController()
  void io.stopped.then(() => stopping.abort())
  const { signal } = stopping
  let cursor: string | undefined
  const stream = { isOpen: false, wasOpen: false }
  while (!signal.aborted) {
    try {
      const told = liveRefusals(address, cursor, signal, () => {
        if (stream.wasOpen) io.stderr(`${addressText(address)} is back\n`)
        stream.isOpen = stream.wasOpen = true
      })
      for await (const each of told) {
        cursor = each.cursor
        print(each.refusal)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ListenerError)) throw error
      if (!error.isPassing || !stream.wasOpen) throw new RuntimeError(error.message)
    }
    if (signal.aborted) return
    if (stream.isOpen) io.stderr(`${addressText(address)} has ended the stream; waiting for it\n`)
    stream.isOpen = false
    await pause(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}
