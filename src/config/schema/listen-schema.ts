/** Holds the schemas of listeners: where they are, who may connect to them, and whose word counts there. */
import * as z from 'zod'
import { trustedProxies } from '../../downstream/client-address.ts'
import { listenAddress } from './address.ts'
import { filePath, judgedText, readText } from './fields.ts'
import { markedAddress } from './local-paths.ts'

const address = markedAddress(readText(listenAddress))
const ADDRESS = '`host:port` (`0.0.0.0:8080`, `[::]:8080`) or `unix:/path`'

const socketMode = z
  .string({ error: "must be octal digits in quotes, like `'0660'`" })
  .regex(/^0?[0-7]{3}$/, { error: "is no mode of a file; write octal digits in quotes, like `'0660'`" })
  .optional()
  .describe('Who may connect to a Unix socket, as octal digits in quotes. Default `0660`.')

const listenTlsSchema = z
  .strictObject({
    certFile: filePath().describe('PEM file with the certificate and its chain.'),
    keyFile: filePath().describe('PEM file with the private key.'),
    clientCaFile: filePath()
      .optional()
      .describe('PEM file: only certificates of clients that one of these signed count.'),
    clientCertificate: z
      .enum(['required', 'optional', 'any'])
      .optional()
      .describe(
        '`required`: clients must show a certificate. `optional`: they may. `any`: they may, whoever signed it. Left out: `required` with `clientCaFile`, else none is asked for.',
      ),
  })
  .describe('Serve HTTPS.')

const listenBlock = z.strictObject({
  address: address.describe(ADDRESS),
  mode: socketMode,
  tls: listenTlsSchema.optional(),
  trustedProxies: z
    .array(judgedText(networkProblem))
    .default([])
    .describe('IP addresses, CIDR ranges and `unix:` whose forwarding headers are believed. Default: none.'),
})

export const listenSchema = z
  .union([
    address.transform((shorthand): z.output<typeof listenBlock> => ({ address: shorthand, trustedProxies: [] })),
    listenBlock,
  ])
  .describe(`Where requests arrive: ${ADDRESS}, or a block.`)

/** A listener without TLS, and without a list of proxies. */
const plainListenBlock = z.strictObject({ address: address.describe(ADDRESS), mode: socketMode })

export const plainListenSchema = z
  .union([
    address.transform((shorthand): z.output<typeof plainListenBlock> => ({ address: shorthand })),
    plainListenBlock,
  ])
  .describe(`${ADDRESS}, or a block.`)

/** Says what is wrong with an entry of a list of proxies; undefined when nothing is. */
export function networkProblem(network: string): string | undefined {
  try {
    trustedProxies([network])
    return undefined
  } catch (error) {
    if (error instanceof SyntaxError) return 'is neither an IP address, a CIDR range like `10.0.0.0/8`, nor `unix:`'
    throw error
  }
}
