/** Holds the schema of `admin.console`: the page of the admin listener, and who may look at it. */
import * as z from 'zod'
import { isNetwork } from '../../lib/networks.ts'
import { judgedText, list } from './fields.ts'

export const consoleSchema = z
  .strictObject({
    recent: z
      .int()
      .min(1)
      .max(10_000)
      .default(200)
      .describe('How many of the last refusals each process remembers. Default 200.'),
    subjects: z
      .enum(['hash', 'plain', 'none'])
      .default('hash')
      .describe(
        'How callers are named: `plain`, by a keyed hash that changes with each start (`hash`), or not at all (`none`). Default `hash`.',
      ),
    from: list(judgedText(from => (isNetwork(from) ? undefined : 'is neither an IP address nor a CIDR range')))
      .default([])
      .describe('IP addresses and CIDR ranges that may look at it besides loopback. Default: none.'),
  })
  .describe('A page with the last refusals and their reasons, for loopback. Left out: none, and nothing is remembered.')
