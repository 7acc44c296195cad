/** The option `--admin URL` of commands that ask a gateway which runs: where its admin listener is. */
import { upstreamUrl } from '../config/schema/address.ts'
import type { Address } from '../config/schema/schema.ts'
import { UsageError } from './command.ts'

/** @throws {UsageError} it is neither `http://host:port` nor `unix:/path` */
export function adminOption(text: string | undefined): Address | undefined {
  if (text === undefined) return undefined
  try {
    const { origin, socketPath } = upstreamUrl(text)
    if (socketPath !== undefined) return { socketPath }
    const { protocol, hostname, port } = new URL(origin)
    if (protocol === 'http:') return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new UsageError('--admin takes http://host:port or unix:/path of an admin listener')
}
