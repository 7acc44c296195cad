/** Holds the schema of `audit`: where every decision is written down, apart from the log. */
import * as z from 'zod'
import { markedOutput } from './local-paths.ts'

export const auditSchema = z
  .strictObject({
    file: markedOutput(z.string().regex(/^[^\0]+$/, { error: 'must be the path of a file, or `stdout`' })).describe(
      'Path of the file that records are added to, or `stdout`.',
    ),
    what: z
      .enum(['denied', 'all'])
      .default('all')
      .describe('Which decisions are recorded: `all`, or those that refuse or would refuse (`denied`). Default `all`.'),
    onFull: z
      .enum(['drop', 'refuse'])
      .default('drop')
      .describe(
        'While no more can be written: `drop` records and count them, or `refuse` requests with 503. Default `drop`.',
      ),
  })
  .describe('A record of every decision, in a stream of its own. Left out: there is none.')
