/** Measures sessions of browsers: how they begin, go on, and end. Their series begin with a provider that has some. */
import type { LoginResult, RefreshResult, SessionEnd } from '../../types.ts'
import { DURATION_BUCKETS, type Series } from './series.ts'

const LOGIN_RESULTS = Object.keys({
  begun: true,
  ok: true,
  failed: true,
  unavailable: true,
} satisfies Record<LoginResult, true>)
const REFRESH_RESULTS = Object.keys({
  ok: true,
  shared: true,
  refused: true,
  timeout: true,
  error: true,
} satisfies Record<RefreshResult, true>)
const ENDS = Object.keys({
  logout: true,
  revoked: true,
  idle: true,
  absolute: true,
  refused: true,
  reused: true,
  replaced: true,
  expired: true,
  evicted: true,
} satisfies Record<SessionEnd, true>)

export function sessionMetrics({ tally, histogram, gauge }: Series) {
  const logins = tally(
    'logins_total',
    'Logins. unavailable: provider, store or our credentials; failed: see last_login_error of /-/status; only begun: redirect URI.',
    ['provider', 'result'],
    LOGIN_RESULTS.map(result => ({ result })),
  )
  const refreshes = tally(
    'session_refreshes_total',
    'Refreshes of tokens. timeout, error: people get 503 once their tokens end, see the log; refused: the grant is over.',
    ['provider', 'result'],
    REFRESH_RESULTS.map(result => ({ result })),
  )
  const refreshDuration = histogram(
    'session_refresh_duration_seconds',
    'Time of a refresh, the wait for another gateway included. Slow: look at the provider or the store.',
    DURATION_BUCKETS,
    'provider',
  )
  const ended = tally(
    'sessions_ended_total',
    'Sessions that ended. reused: a cookie was copied, treat it as theft; evicted: no room, use store: shared.',
    ['provider', 'reason'],
    ENDS.map(reason => ({ reason })),
  )
  const held = gauge(
    'sessions',
    'Sessions that this gateway holds. With store: memory, at 10,000 a process the oldest are logged out.',
    'sum',
    ['provider'],
  )

  return {
    /** A login began, or came to its end. */
    loggedIn(provider: string, result: LoginResult): void {
      logins.of(provider, LOGIN_RESULTS.keys()).add(LOGIN_RESULTS.indexOf(result))
    },
    /** The tokens of a session were renewed, or that was tried. */
    sessionRefreshed(provider: string, result: RefreshResult, seconds: number): void {
      refreshes.of(provider, REFRESH_RESULTS.keys()).add(REFRESH_RESULTS.indexOf(result))
      refreshDuration.of(provider).observe(seconds)
    },
    sessionEnded(provider: string, reason: SessionEnd): void {
      ended.of(provider, ENDS.keys()).add(ENDS.indexOf(reason))
    },
    sessionsHeld(provider: string, sessions: number): void {
      held.set({ provider }, sessions)
    },
    /** Starts the series of a provider at 0. */
    initSessions(provider: string): void {
      logins.of(provider, LOGIN_RESULTS.keys())
      refreshes.of(provider, REFRESH_RESULTS.keys())
      ended.of(provider, ENDS.keys())
      refreshDuration.of(provider)
      held.set({ provider }, 0)
    },
    forgetSessions(provider: string): void {
      for (const each of [logins, refreshes, ended, refreshDuration]) each.forget(provider)
      held.remove({ provider })
    },
  }
}
