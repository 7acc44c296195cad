/**
 * Lets pages of the allowed origins read what the endpoints of a session answer (Fetch Standard, CORS protocol). Pages
 * of every other origin learn nothing.
 */
import { fieldValue } from '../lib/field-lines.ts'
import { VARY } from '../route/cors.ts'
import type { Answer, RequestFacts } from '../types.ts'
import type { OriginRules } from './request-origin.ts'

/** @returns flat names and values */
export function readableBy({ rawHeaders }: RequestFacts, { allowOrigins }: OriginRules): readonly string[] {
  if (allowOrigins.size === 0) return []
  const origin = fieldValue(rawHeaders, 'origin')
  if (origin === undefined || !allowOrigins.has(origin)) return VARY
  return [...['Access-Control-Allow-Origin', origin], ...['Access-Control-Allow-Credentials', 'true'], ...VARY]
}

export function preflightAnswer(method: 'GET' | 'POST'): Answer {
  return {
    status: 204,
    headers: ['Access-Control-Allow-Methods', method, 'Access-Control-Allow-Headers', 'content-type'],
    body: '',
  }
}
