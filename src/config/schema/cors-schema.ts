/**
 * Holds the schema of `cors`: which pages of other origins may read the answers, and what they may send.
 *
 * Fetch Standard (CORS protocol), RFC 6454 §6.2 (serialised origins). Rules that span keys are in `check-cors.ts`.
 */
import * as z from 'zod'
import { isToken } from '../../lib/field-name.ts'
import { duration, flag, judgedText, list } from './fields.ts'

export const corsSchema = z
  .strictObject({
    origins: list(judgedText(originProblem)).describe(
      'Origins like `https://app.example.com`, or with one leading `*` label, like `https://*.example.com`; `*` alone is any.',
    ),
    headers: z
      .array(judgedText(headerProblem).transform(name => name.toLowerCase()))
      .optional()
      .describe(
        'Request headers that a page may send. Default: `authorization`, `content-type`, and those that bring a token or its proof.',
      ),
    exposeHeaders: z
      .array(judgedText(headerProblem))
      .default([])
      .describe('Headers of the service’s answers that a page may read, besides ours. Default: none.'),
    credentials: flag().default(false).describe('Whether a page may send its cookies. Default `false`.'),
    maxAge: duration({ min: '0s', max: '24h' })
      .prefault('10m')
      .describe('How long a browser need not ask again. Default `10m`.'),
    enforceOrigin: flag()
      .default(false)
      .describe(
        '`true`: a request or WebSocket of another origin is refused; list the service’s own, too. Default `false`.',
      ),
  })
  .describe('Pages of other origins that may read the answers. Left out: browsers let none.')

/** The block comes first: of two branches that fit in type, the first tells what is wrong. */
export const corsOfRoute = z
  .union([corsSchema, z.literal('off', { error: 'must be a block, or `off`' })])
  .optional()
  .describe('In place of the `cors` of the file; `off`: none.')

const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@\s]+)(.*)$/i

/** An origin is compared byte for byte with what browsers send, so it has to be written as they write it. */
function originProblem(text: string): string | undefined {
  if (text === '*') return undefined
  if (text === 'null') return 'is what sandboxed pages of anybody send; no page can be told by it, so leave it out'
  const [, scheme = '', authority = '', rest = ''] = ORIGIN.exec(text) ?? []
  if (authority === '') return 'is no origin; write one like `https://app.example.com`'
  if (rest !== '') return `has more than an origin; write \`${scheme}://${authority}\``
  const labels = authority.split('*')
  if (labels.length > 2 || (labels.length === 2 && !authority.startsWith('*.')))
    return 'may have a `*` only as its first label, like `https://*.example.com`'
  const sample = `${scheme}://${authority.replace('*', 'w')}`
  const written = URL.canParse(sample) ? new URL(sample) : undefined
  if (written === undefined) return 'is no origin; write one like `https://app.example.com`'
  const host = authority.startsWith('*.') ? written.host.replace(/^w/, '*') : written.host
  const browsers = `${written.protocol}//${host}`
  return browsers === text ? undefined : `is never sent by a browser; write \`${browsers}\``
}

function headerProblem(name: string): string | undefined {
  if (name === '*') return 'does not cover `Authorization`; list the headers by name'
  return isToken(name) ? undefined : 'is no header name; write one like `content-type`'
}
