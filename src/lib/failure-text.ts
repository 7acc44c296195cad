/**
 * Says in words why something failed, with the code of the system behind them to search for.
 *
 * One code means one thing of a file and another of a connection or a listener, so each of these has a table of its
 * own: {@link fileFailureText} has that of files, `connection-failure.ts` and `run/named-listening.ts` have theirs.
 */

/** Maps a code, such as ENOENT, to words that continue a sentence: `cannot be read: there is no such file`. */
export type FailureWords = Readonly<Record<string, string>>

const NOT_PERMITTED = 'this user may not'
const TOO_MANY_OPEN = 'too many files are open'

const FILE_WORDS: FailureWords = {
  ENOENT: 'there is no such file or folder',
  EEXIST: 'it is there already',
  EACCES: NOT_PERMITTED,
  EPERM: NOT_PERMITTED,
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  ELOOP: 'its links lead in a circle, or are too many',
  ENAMETOOLONG: 'its path is too long',
  ERR_INVALID_ARG_VALUE: 'its path has a character that no path can have',
  ENXIO: 'it is a socket or a device that nobody serves',
  EROFS: 'its file system can only be read',
  ENOSPC: 'there is no space left',
  EDQUOT: 'the quota of this user is used up',
  EFBIG: 'it is too large',
  ERR_FS_FILE_TOO_LARGE: 'it is too large',
  EBUSY: 'something else uses it',
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EIO: 'its disk fails',
  ESTALE: 'its file server no longer has it',
  EAGAIN: 'nothing is there to be read yet',
}

/** Writes `there is no such file or folder (ENOENT)`. It repeats no path and nothing of the file. */
export function fileFailureText(error: unknown): string {
  return failureText(error, FILE_WORDS)
}

/** Writes the words and the code; the code alone where there are no words for it. */
export function failureText(error: unknown, words: FailureWords): string {
  const code = codeOf(error)
  if (code === undefined) return 'for an unknown reason'
  return Object.hasOwn(words, code) ? `${words[code]} (${code})` : code
}

/** @returns undefined for what has no code */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
