/** Reads the small files that a request of ours takes: certificates, keys, secrets and tokens. */
import { readTrustedFile, unreadableText } from '../../lib/trusted-file.ts'
import { FetchFailure } from './fetch-failure.ts'

/** A file holds nothing that can be used. The message continues a sentence about the file, and quotes nothing of it. */
export class UnusableContent extends Error {
  override readonly name = 'UnusableContent'
  /** What to do about it. */
  readonly remedy: string

  constructor(problem: string, remedy: string) {
    super(problem)
    this.remedy = remedy
  }
}

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

/** Uses what the file of an option holds. @throws {FetchFailure} `local_file`, in place of {@link UnusableContent} */
export function usedFrom<T>(option: string, use: () => T): T {
  try {
    return use()
  } catch (error) {
    if (error instanceof UnusableContent) throw new FetchFailure('local_file', `${option} ${error.message}`)
    throw error
  }
}

/** @throws {FetchFailure} `local_file`: it cannot be read, or holds no token that a header can carry */
export function readBearerToken(path: string, option: string): string {
  const content = readLocalFile(path, option)
  return usedFrom(option, () => bearerToken(content))
}

/** @throws {UnusableContent} it holds no token that a header can carry */
export function bearerToken(content: Buffer): string {
  const token = content.toString('utf8').trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new UnusableContent('does not hold a token', 'write one token into it, on one line and without blanks in it')
}
