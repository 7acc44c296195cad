/** Holds the schema of `decide`: the listener that other proxies ask before they forward a request themselves. */
import * as z from 'zod'
import { CALLERS } from '../../decision/callers.ts'
import { judgedText } from './fields.ts'
import { networkProblem, plainListenSchema } from './listen-schema.ts'
import { didYouMean } from './suggest.ts'

/** Peers on this machine, and those that may write its Unix socket. */
const THIS_MACHINE = ['127.0.0.0/8', '::1', 'unix:']

export const decideSchema = z
  .strictObject({
    listen: plainListenSchema,
    caller: z
      .enum(CALLERS, { error: ({ input }) => callerProblem(input) })
      .describe('Which proxy asks, since each names what it asks about in its own way.'),
    trustedProxies: z
      .array(judgedText(networkProblem))
      .default(THIS_MACHINE)
      .describe('IP addresses, CIDR ranges and `unix:` that may ask. Default: loopback and Unix sockets.'),
  })
  .describe('Decide for other proxies, which forward the requests themselves. Left out: not served.')

function callerProblem(input: unknown): string {
  const choices = `one of ${CALLERS.map(caller => `\`${caller}\``).join(', ')}`
  if (input === undefined) return `is missing; write ${choices}`
  if (input === 'envoyGrpc') return 'is not there yet: write `envoy`, and let Envoy ask over HTTP (`http_service`)'
  return `must be ${choices}.${typeof input === 'string' ? didYouMean(input, CALLERS) : ''}`
}
