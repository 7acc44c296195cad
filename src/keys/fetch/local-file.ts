/** Reads the small files that a request of ours takes: certificates, keys, secrets and tokens. */
import { readTrustedFile, unreadableText } from '../../lib/trusted-file.ts'
import { FetchFailure } from './fetch-failure.ts'

/**
 * A small file that is there is read at once, and nothing else is read: see `lib/trusted-file.ts`.
 *
 * @param option names the file in the message, since the operator knows it by that
 * @throws {FetchFailure} `local_file`
 */
export function readLocalFile(path: string, option: string): Buffer {
  try {
    return readTrustedFile(path)
  } catch (error) {
    throw new FetchFailure('local_file', `${option} ${unreadableText(error)}`)
  }
}

/** @throws {FetchFailure} `local_file`: it cannot be read, or holds no token that a header can carry */
export function readBearerToken(path: string, option: string): string {
  const token = readLocalFile(path, option).toString('utf8').trim()
  if (!/^[\x21-\x7e]+$/.test(token)) throw new FetchFailure('local_file', `${option} does not hold a token`)
  return token
}
