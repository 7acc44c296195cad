/**
 * Says which requests may begin a login: those by which a browser is about to show a page in a tab.
 *
 * Fetch Metadata Request Headers §2.2 (Sec-Fetch-Dest), §2.3 (Sec-Fetch-Mode), Fetch §2.2.7 (Sec-Purpose). Everything
 * else would follow the redirect out of the user's sight, and leave the cookie of a login behind each time.
 */
import { fieldValues, listMembers } from '../lib/field-lines.ts'
import { isWebSocketHandshake } from '../lib/websocket-handshake.ts'
import type { RequestFacts } from '../types.ts'

/** The last two are what browsers sent before there was a standard. */
const PURPOSES = ['sec-purpose', 'purpose', 'x-moz']

export function isNavigation(facts: Pick<RequestFacts, 'method' | 'httpVersion' | 'rawHeaders'>): boolean {
  return facts.method === 'GET' && showsPage(facts)
}

/** Is true of a form that is sent, too: the answer is shown to somebody. */
export function showsPage(facts: Pick<RequestFacts, 'method' | 'httpVersion' | 'rawHeaders'>): boolean {
  const { rawHeaders } = facts
  if (isWebSocketHandshake(facts) || isPrefetch(rawHeaders)) return false
  const modes = fieldValues(rawHeaders, 'sec-fetch-mode')
  return modes.length > 0 ? modes.join() === 'navigate' && isForTab(rawHeaders) : isLikePage(rawHeaders)
}

/** Nobody has asked for the page yet. When somebody does, the browser asks anew, because a 401 is not kept. */
function isPrefetch(rawHeaders: readonly string[]): boolean {
  return PURPOSES.some(name => listMembers(rawHeaders, name).includes('prefetch'))
}

/**
 * Frames and embedded objects do not begin a login: providers do not let themselves be framed, and in a frame of
 * another site the login's cookie would not come back. The first browsers with a mode have not sent a destination.
 */
function isForTab(rawHeaders: readonly string[]): boolean {
  const destinations = fieldValues(rawHeaders, 'sec-fetch-dest')
  return destinations.length === 0 || destinations.join() === 'document'
}

/** Scripts accept anything or JSON, and some libraries say who they are. */
function isLikePage(rawHeaders: readonly string[]): boolean {
  return (
    listMembers(rawHeaders, 'accept').includes('text/html') && fieldValues(rawHeaders, 'x-requested-with').length === 0
  )
}
