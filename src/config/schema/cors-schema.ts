/**
 * Holds the schema of `cors`: which pages of other origins may read the answers, and what they may send.
 *
 * Fetch Standard (CORS protocol), RFC 6454 §6.2 (serialised origins). Rules that span keys are in `check-cors.ts`.
 */
import * as z from 'zod'
import { isToken } from '../../lib/field-name.ts'
import { duration, flag, judgedText, list } from './fields.ts'

export const corsSchema = z
  .strictObject(
    {
      origins: list(judgedText(originProblem)).describe(
        'Origins like `https://app.example.com`, or with one leading `*` label, like `https://*.example.com`; `*` alone is any.',
      ),
      headers: z
        .array(judgedText(requestHeaderProblem).transform(name => name.toLowerCase()))
        .optional()
        .describe(
          'Request headers that a page may send. Default: `authorization`, `content-type`, and those that bring a token or its proof.',
        ),
      exposeHeaders: z
        .array(judgedText(responseHeaderProblem))
        .default([])
        .describe('Headers of the service’s answers that a page may read, besides ours. Default: none.'),
      credentials: flag().default(false).describe('Whether a page may send its cookies. Default `false`.'),
      maxAge: duration({ min: '0s', max: '24h' })
        .refine(ms => ms % 1000 === 0, {
          error: 'must be whole seconds, since browsers are told no part of one',
          when: ({ issues }) => issues.length === 0,
        })
        .prefault('10m')
        .describe('How long a browser need not ask again. Default `10m`.'),
      enforceOrigin: flag()
        .default(false)
        .describe(
          '`true`: a request or WebSocket of another origin is refused; list the service’s own, too. Default `false`.',
        ),
    },
    { error: ({ code, input }) => (code === 'invalid_type' && isOff(input) ? NO_BLOCK : undefined) },
  )
  .describe('Pages of other origins that may read the answers. Left out: browsers let none.')

/** The block comes first: of two branches that fit in type, the first tells what is wrong. */
export const corsOfRoute = z
  .union([corsSchema, z.literal('off', { error: 'must be a block, or `off`' })])
  .optional()
  .describe('In place of the `cors` of the file; `off`: none.')

const NO_BLOCK = 'must be a block of keys; for no page at all, leave it out'

/** Is true of what a route may write, and of what others mean by it. */
function isOff(input: unknown): boolean {
  return input === 'off' || input === false
}

const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\s]+)(.*)$/i

/** An origin is compared byte for byte with what browsers send, so it has to be written as they write it. */
export function originProblem(text: string): string | undefined {
  if (text === '*') return undefined
  if (text === 'null') return 'is what sandboxed pages of anybody send; no page can be told by it, so leave it out'
  const [, scheme = '', authority = '', rest = ''] = ORIGIN.exec(text) ?? []
  if (authority === '') return 'is no origin; write one like `https://app.example.com`'
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  if (rest !== '' || host !== authority) {
    return host === ''
      ? 'is no origin; write one like `https://app.example.com`'
      : `has more than an origin; write \`${scheme}://${host}\``
  }
  if (host.endsWith(':*')) return 'has a `*` for its port, which stands for none; list each origin with its port'
  const labels = authority.split('*')
  if (labels.length > 2 || (labels.length === 2 && !authority.startsWith('*.')))
    return 'may have a `*` only as its first label, like `https://*.example.com`'
  const sample = `${scheme}://${authority.replace('*', 'w')}`
  const written = URL.canParse(sample) ? new URL(sample) : undefined
  if (written === undefined) return 'is no origin; write one like `https://app.example.com`'
  const name = authority.startsWith('*.') ? written.host.replace(/^w/, '*') : written.host
  const browsers = `${written.protocol}//${name}`
  return browsers === text ? undefined : `is never sent by a browser; write \`${browsers}\``
}

function requestHeaderProblem(name: string): string | undefined {
  return name === '*' ? 'does not cover `Authorization`; list the headers by name' : headerProblem(name)
}

function responseHeaderProblem(name: string): string | undefined {
  return name === '*'
    ? 'shows every header of the service, and none where pages send cookies; list the headers by name'
    : headerProblem(name)
}

function headerProblem(name: string): string | undefined {
  return isToken(name) ? undefined : 'is no header name; write one like `content-type`'
}
