/** Finds the admin listener that a command asks: what `--admin` names, or that of the configuration. */
import { existsSync } from 'node:fs'
import { loadConfigForTool } from '../config/read/load.ts'
import type { Address, Config } from '../config/schema/schema.ts'
import { askable, writtenAddress } from '../tools/admin/addresses.ts'
import { type CommandIo, UsageError } from './command.ts'
import { configFile } from './config-file.ts'

interface AskedListener {
  readonly address: Address
  /** Undefined where `--admin` names the listener. */
  readonly config: Config | undefined
}

export const ADMIN_HELP = `  --admin URL         the admin listener, http://host:port or unix:/path; else admin.listen of the configuration
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml`

/** @throws {UsageError} there is none */
export function askedListener(
  { admin, config: named }: { readonly admin?: string | undefined; readonly config?: string | undefined },
  { env }: CommandIo,
): AskedListener {
  const written = adminOption(admin)
  if (written !== undefined) return { address: written, config: undefined }
  const file = configFile(named, env)
  if (named === undefined && !existsSync(file))
    throw new UsageError(`there is no ${file}; name the admin listener of a gateway with --admin, or a file with -c`)
  const config = loadConfigForTool(file, env, 'unread')
  if (config.admin === undefined)
    throw new UsageError('the configuration has no `admin` listener to ask; name that of a gateway with --admin')
  const { address } = config.admin.listen
  if ('port' in address && address.port === 0)
    throw new UsageError('`admin.listen` takes any free port, so that the log alone tells which; name it with --admin')
  if (config.admin.console === undefined)
    throw new UsageError(
      'the configuration has no `admin.console`, so that no refusals are remembered: write `console: {}` below `admin`',
    )
  return { address: askable(address), config }
}

/** @throws {UsageError} the text names no listener */
export function adminOption(text: string | undefined): Address | undefined {
  if (text === undefined) return undefined
  const address = writtenAddress(text)
  if (address !== undefined) return address
  const meant = /^[\w.-]+:\d{1,5}$/.test(text) ? `http://${text}` : 'http://host:port or unix:/path'
  throw new UsageError(`--admin ${JSON.stringify(text)}: write ${meant}`)
}
