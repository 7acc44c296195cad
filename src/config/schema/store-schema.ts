/**
 * Holds the schema of `store`: the Redis or Valkey that several gateways share.
 *
 * RFC 3986 (URI). The password never stands in the file of the configuration.
 */
import * as z from 'zod'
import { isLoopback } from '../../lib/loopback.ts'
import { duration, filePath, flag, list, readText, text } from './fields.ts'

/** Where a server of the store is. */
interface StoreAddress {
  readonly host: string
  readonly port: number
}

const DEFAULT_PORT = 6379
const URL_FORM = '`redis://host:port`, `rediss://host:port` (TLS), or either with `/0` for a database'

interface StoreUrl extends StoreAddress {
  readonly isTls: boolean
  readonly database: number
}

/** Reads `redis://host:6379` or `rediss://host:6379/0`. */
function storeUrl(written: string): StoreUrl {
  const url = URL.parse(written)
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '')
    throw new SyntaxError(`is no address of a store; write ${URL_FORM}`)
  if (url.username !== '' || url.password !== '')
    throw new SyntaxError('carries credentials; leave them out, and use `username` and `passwordFile`')
  const database = /^(?:\/(\d{1,5})?)?$/.exec(url.pathname)
  if (database === null || url.search !== '' || url.hash !== '')
    throw new SyntaxError(`must end after the port or the number of the database; write ${URL_FORM}`)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    isTls: url.protocol === 'rediss:',
    database: Number(database[1] ?? 0),
  }
}

/** Reads `host:port` or `[::1]:port`. */
function storeNode(written: string): StoreAddress {
  const url = /[/?#@\s]/.test(written) ? null : URL.parse(`redis://${written}`)
  if (url === null || url.hostname === '' || url.port === '')
    throw new SyntaxError('is no address of a server; write `host:port`')
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) }
}

const tls = z
  .strictObject({
    caFile: filePath().optional().describe('PEM certificates to trust, in place of the system’s.'),
    certFile: filePath().optional().describe('PEM file with our client certificate; needs `keyFile`.'),
    keyFile: filePath().optional().describe('PEM file with our client key; needs `certFile`.'),
    serverName: text().optional().describe('Name to ask for and to verify. Default: the host of the URL.'),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: 'needs `certFile` and `keyFile` together; add the missing one',
    when: ({ issues }) => issues.length === 0,
  })
  .describe('The certificate is always verified; this says how.')

export const storeSchema = z
  .strictObject({
    url: readText(storeUrl).describe(
      `${URL_FORM}. With \`sentinel\` the host is the name of the master; with \`cluster\` it is one of its servers.`,
    ),
    topology: z
      .enum(['single', 'sentinel', 'cluster'])
      .default('single')
      .describe('`single`: one server. `sentinel`, `cluster`: several, listed in `nodes`. Default `single`.'),
    nodes: list(readText(storeNode))
      .optional()
      .describe('Sentinels, or servers of the cluster, as `host:port`. Default: none.'),
    username: text().optional().describe('User of the access control list. Default: that of the server.'),
    passwordFile: filePath().optional().describe('File with the password, read anew for each connection.'),
    tls: tls.optional(),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9._:-]{1,64}$/, { error: 'must be 1 to 64 letters, digits, `.`, `_`, `:` or `-`' })
      .default('sallyport')
      .describe('Keys begin with it, in braces: `{sallyport}:…`. Default `sallyport`.'),
    timeout: duration({ min: '10ms', max: '30s' })
      .prefault('500ms')
      .describe('Longest time that a command may take. Default `500ms`.'),
    allowInsecureRedis: flag()
      .default(false)
      .describe(
        '`true` allows `redis:` to other machines, where everybody on the way can read and write. Default `false`.',
      ),
  })
  .superRefine(({ url, topology, nodes, tls: tlsBlock, allowInsecureRedis }, context) => {
    const wrong = (key: string, message: string): void =>
      void context.addIssue({ code: 'custom', path: [key], message })
    if (topology === 'sentinel' && nodes === undefined) wrong('nodes', 'is missing; list the sentinels as `host:port`')
    if (topology === 'single' && nodes !== undefined)
      wrong('nodes', 'has no effect with `topology: single`; leave it out, or name another `topology`')
    if (topology === 'cluster' && url.database !== 0)
      wrong('url', 'names a database, and a cluster has only number 0; leave it out')
    if (tlsBlock !== undefined && !url.isTls) wrong('tls', 'needs a `rediss:` URL; change `url`, or leave `tls` out')
    const servers = topology === 'sentinel' ? (nodes ?? []) : [url, ...(nodes ?? [])]
    if (!url.isTls && !allowInsecureRedis && !servers.every(isOnLoopback))
      wrong('url', 'is in the clear and leads to another machine; write `rediss:`, or set `allowInsecureRedis: true`')
  })
  .describe('Redis from 6.2 or Valkey from 7.2, for what several gateways share. Left out: nothing is shared.')

function isOnLoopback({ host }: StoreAddress): boolean {
  const url = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}`)
  return url !== null && isLoopback(url)
}
