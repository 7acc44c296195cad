/**
 * Holds the schema of `include`: further files of the configuration, and what each of them may set.
 *
 * The files are read by `included-files.ts` and put together by `joined-files.ts`, both beside the loader. What an
 * included file may say is made from the schema of the configuration, in `json-schema.ts`.
 */
import * as z from 'zod'
import { filePath } from './fields.ts'

/** Each file is opened at every reload and looked at once a minute. */
export const MOST_INCLUDED_FILES = 64

/** @param sections every key of the top level but `include` itself, since an included file includes nothing */
export function includeSchema<Section extends string>(sections: readonly Section[]) {
  const included = z.strictObject({
    file: filePath().describe('The file. It sets what `may` lists, and nothing else stands in it.'),
    may: z
      .array(z.enum(sections))
      .min(1, { error: 'must not be empty; list the keys that the file may set, like `[routes]`' })
      .describe('Keys of the top level that the file may set: `[routes, upstreams]`.'),
  })
  return z
    .array(included)
    .min(1, { error: 'must not be empty; list at least one file, or leave the key out' })
    .max(MOST_INCLUDED_FILES, {
      error: `must not list more than ${MOST_INCLUDED_FILES} files; let one file hold what several do now`,
    })
    .optional()
    .describe('Further files of this configuration, each with what it may set. Default: none.')
}
