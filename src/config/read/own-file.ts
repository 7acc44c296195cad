/**
 * Reads the configuration and the files that it names from disk: as a gateway that starts, or as a tool that looks.
 *
 * A gateway reads nothing that somebody else could have written. A tool runs as another user on another machine, so it
 * asks for no more than regular files. Both take what whoever called them has opened for them (`-c <(…)`,
 * `/dev/stdin`), which nobody else can have put there.
 */
import { readFileSync } from 'node:fs'
import { readRegularFile, readTrustedFile } from '../../lib/trusted-file.ts'

/** @throws {UntrustedFile} others could have written it @throws {Error} it cannot be read; the `code` says why */
export function readOwnFile(path: string): Buffer {
  return isHandedOver(path) ? readFileSync(path) : readTrustedFile(path)
}

/** @throws {UntrustedFile} it is no regular file @throws {Error} it cannot be read; the `code` says why */
export function readAnyFile(path: string): Buffer {
  return isHandedOver(path) ? readFileSync(path) : readRegularFile(path)
}

/** Is true of a descriptor that this process was started with. It can be read once. */
export function isHandedOver(path: string): boolean {
  return /^\/(?:dev\/stdin|(?:dev|proc\/self)\/fd\/\d+)$/.test(path)
}
