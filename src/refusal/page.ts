/**
 * Answers people who look at a page: sends them to log in, or tells them in plain HTML what went wrong.
 *
 * RFC 9110 §15.4.3 (302). The texts are fixed, and nothing of the request is in them but its checked id. The way to the
 * login is a path, and the way back is the target as it came, which the login judges.
 */
import type { Denial, DenialCode, DenialSpec } from '../errors.ts'
import type { HeaderRecord } from '../exchange.ts'
import type { RouteChallenge } from '../policy.ts'
import { showsPage } from '../route/navigation.ts'
import type { RequestFacts } from '../types.ts'

/** What a refusal depends on in the request. */
export type RefusedFacts = Pick<RequestFacts, 'method' | 'target' | 'httpVersion' | 'rawHeaders'>

interface Page {
  readonly status: number
  readonly headers: HeaderRecord
  readonly body: string
}

/** A browser that is to return to a longer one returns to `/`. */
const LONGEST_RETURN = 2_048

/** @returns undefined for a caller to whom no page is shown, or of whom nobody is asked to log in */
export function pageFor(
  { code, spec, retryAfterSeconds, loginHelps }: Denial,
  facts: RefusedFacts,
  challenge: RouteChallenge | undefined,
  { requestId, wwwAuthenticate }: { readonly requestId: string; readonly wwwAuthenticate: HeaderRecord },
): Page | undefined {
  const login = challenge?.login
  if (login === undefined || !showsPage(facts)) return undefined
  const common = { 'cache-control': 'no-store', 'x-request-id': requestId }
  if (login.isForNavigations && loginHelps && facts.method === 'GET') {
    const location = `${login.path}/login?return=${encodeURIComponent(returnTo(facts, login.path))}`
    return { status: 302, headers: { ...common, location, 'content-length': 0 }, body: '' }
  }
  const advice = adviceFor({ code, status: spec.status, loginHelps, retryAfterSeconds }, facts, login.path)
  const body = html(spec, { code, requestId, advice })
  return {
    status: spec.status,
    headers: {
      ...common,
      ...wwwAuthenticate,
      'content-type': 'text/html; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      ...(retryAfterSeconds !== undefined && { 'retry-after': retryAfterSeconds }),
    },
    body,
  }
}

/** A page of our own, and what a form has sent, is nothing to come back to. */
function returnTo({ method, target }: RefusedFacts, login: string): string {
  const isPage = method === 'GET' && target.length <= LONGEST_RETURN && !target.startsWith(`${login}/`)
  return isPage ? target : '/'
}

/** A login that was too weak is asked for what the refused request needs: its page may need less. */
export function loginFor(code: DenialCode, path: string, facts: RefusedFacts | undefined): string {
  if (code !== 'step_up_required' || facts === undefined) return `${path}/login`
  const [target = '/'] = facts.target.split('?', 1)
  return `${path}/login?for=${encodeURIComponent(`${facts.method} ${target}`)}`
}

const AGAIN = 'Go to <a href="/">the start page</a> and try again.'
const ASK = 'Ask whoever runs this service.'

interface Refused {
  readonly code: DenialCode
  readonly status: number
  readonly loginHelps: boolean
  readonly retryAfterSeconds: number | undefined
}

/** What a person can do about it. The path of the login is the configuration's. */
function adviceFor(
  { code, status, loginHelps, retryAfterSeconds = 1 }: Refused,
  facts: RefusedFacts,
  login: string,
): string {
  const address = loginFor(code, login, facts)
  const href = `${address}${address.includes('?') ? '&amp;' : '?'}return=${encodeURIComponent(returnTo(facts, login))}`
  const signIn = `<a href="${href.replaceAll("'", '%27')}">Sign in</a>`
  if (code === 'login_failed')
    return `${AGAIN} If it does not work again, tell whoever runs this service: the reason is in their log. (A browser that accepts no cookies cannot log in, and over plain http some accept none like these.)`
  if (code === 'step_up_failed') return `This page asks for a login that your account did not give. ${ASK}`
  if (code === 'step_up_required') return `This asks for a stronger or newer login, and nothing was done. ${signIn}`
  if (code === 'csrf_rejected')
    return `What you sent did not come from a page of this site, and nothing was done. ${AGAIN}`
  if (status === 401 && !loginHelps) return `Your login is not accepted here. ${ASK}`
  if (status === 401)
    return facts.method === 'GET'
      ? `${signIn} to go on.`
      : `You are not signed in. What you sent was not saved. ${signIn}`
  if (code === 'rate_limited')
    return `This was asked for too often, and nothing was done this time. Please try again in ${span(retryAfterSeconds)}.`
  if (status === 403) return `Your account may not do this. ${AGAIN}`
  return status >= 500 ? `Nothing is wrong with your account. Please try again in a moment. ${signIn}` : AGAIN
}

const MINUTE_SECONDS = 60
const HOUR_SECONDS = 60 * MINUTE_SECONDS

/** @returns a time to wait in words, rounded up */
function span(seconds: number): string {
  if (seconds > 2 * HOUR_SECONDS) return `${Math.ceil(seconds / HOUR_SECONDS)} hours`
  if (seconds > 2 * MINUTE_SECONDS) return `${Math.ceil(seconds / MINUTE_SECONDS)} minutes`
  return seconds === 1 ? 'a second' : `${seconds} seconds`
}

function html(
  { title }: Pick<DenialSpec, 'title'>,
  { code, requestId, advice }: { readonly code: DenialCode; readonly requestId: string; readonly advice: string },
): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<h1>${title}</h1>
<p>${advice}</p>
<p>For whoever helps you: <code>${code}</code>, request <code>${requestId}</code></p>
</html>
`
}
