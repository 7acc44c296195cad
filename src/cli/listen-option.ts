/** Reads an option that says where something listens. */
import { listenAddress } from '../config/schema/address.ts'
import type { HostPort } from '../tools/snippet/site.ts'
import { UsageError } from './command.ts'

/** @param option its name, for the message @throws {UsageError} it is no host and port */
export function listenOption(option: string, text: string): HostPort {
  try {
    const address = listenAddress(text)
    if (!('socketPath' in address) && address.port !== 0) return address
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new UsageError(`${option} takes a host and a port, such as 127.0.0.1:8000`)
}
