/**
 * Names the proxies that may ask, and where each of them says what it asks about.
 *
 * Each fact comes from one place. Proxies pass on what their clients send, so every other header of that kind may be a
 * forgery, and counts for nothing.
 */

export const CALLERS = ['nginx', 'caddy', 'traefik', 'envoy'] as const
export type Caller = (typeof CALLERS)[number]

/** Where the listener is asked, whoever asks. */
export const DECIDE_PATH = '/decide'

/** Names in lower case. */
export interface FactHeaders {
  readonly target: string
  readonly method: string
  readonly host: string
}

/** Of `envoy` the request itself is the one that is asked about, behind {@link DECIDE_PATH}. */
export const FACT_HEADERS: Readonly<Record<Caller, FactHeaders | undefined>> = {
  nginx: { target: 'x-original-uri', method: 'x-original-method', host: 'x-forwarded-host' },
  caddy: { target: 'x-forwarded-uri', method: 'x-forwarded-method', host: 'x-forwarded-host' },
  traefik: { target: 'x-forwarded-uri', method: 'x-forwarded-method', host: 'x-forwarded-host' },
  envoy: undefined,
}
