/** The option `--no-files` of the commands that judge a policy: what exists only where the gateway runs is left out. */
import type { NamedFiles } from '../config/read/load.ts'

/** The option as `parseArgs` takes it. */
export const NO_FILES = { 'no-files': { type: 'boolean' } } as const

export function namedFiles(values: { readonly 'no-files'?: boolean | undefined }): NamedFiles {
  return values['no-files'] === true ? 'unread' : 'read'
}
