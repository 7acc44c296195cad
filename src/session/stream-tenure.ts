/**
 * Says for how long a stream of a session may go on: as long as the session, if what the route asks for is there after
 * each refresh, too.
 */
import { Denial } from '../errors.ts'
import type { Authenticator, Authorizer, Principal, RequestFacts, Tenure } from '../types.ts'
import type { LiveSession } from './live-session.ts'
import { NO_REQUEST, noNotes } from './no-request.ts'
import type { SessionTokens } from './session.ts'
import type { Sessions } from './sessions.ts'

interface StreamTenureOptions {
  readonly sessions: Pick<Sessions, 'endOf'>
  readonly authenticate: Authenticator
  readonly authorize: Authorizer
  readonly principalOf: ((session: LiveSession) => Principal) | undefined
}

const NOBODY_ASKED = { facts: NO_REQUEST, path: '/' } as const

/** What one route says of a session: the streams of all its requests share it. */
interface Judgement {
  readonly tokens: SessionTokens
  /** Undefined while nobody can tell: what is asked then is asked again. */
  verdict: 'allowed' | 'forbidden' | undefined
  isUnderWay: boolean
}

/** A request that opened a stream, where it depends on the request whether the caller may go on. */
interface Asked {
  readonly facts: RequestFacts
  readonly path: string
}

/** @returns makes what ends streams; without a request, for the streams of all requests of the session */
export function streamTenures(options: StreamTenureOptions): (session: LiveSession, asked?: Asked) => Tenure {
  const { sessions, authenticate, authorize, principalOf } = options
  const judgements = new WeakMap<LiveSession, Judgement>()

  async function verdictOn(
    session: LiveSession,
    { accessToken: token }: SessionTokens,
    { facts, path }: Asked,
  ): Promise<Judgement['verdict']> {
    try {
      const judged = principalOf?.(session)
      const credential = { token, scheme: 'Bearer', place: 'session', judged } as const
      await authorize(await authenticate(credential, NO_REQUEST, noNotes()), facts, path)
      return 'allowed'
    } catch (error) {
      // An outage of ours says nothing about the caller.
      return error instanceof Denial && error.spec.status >= 500 ? undefined : 'forbidden'
    }
  }

  async function judge(session: LiveSession, judgement: Judgement, asked: Asked): Promise<void> {
    judgement.isUnderWay = true
    judgement.verdict = await verdictOn(session, judgement.tokens, asked)
    judgement.isUnderWay = false
  }

  return (session, asked) => {
    const known = asked === undefined ? judgements : new WeakMap<LiveSession, Judgement>()
    const { tokens: first } = session.record
    if (!known.has(session)) known.set(session, { tokens: first, verdict: 'allowed', isUnderWay: false })
    return {
      endedBy() {
        const over = sessions.endOf(session)
        if (over !== undefined) return over
        const { tokens } = session.record
        let judgement = known.get(session)
        if (judgement?.tokens !== tokens) {
          judgement = { tokens, verdict: undefined, isUnderWay: false }
          known.set(session, judgement)
        }
        if (judgement.verdict === undefined && !judgement.isUnderWay)
          void judge(session, judgement, asked ?? NOBODY_ASKED)
        return judgement.verdict === 'forbidden' ? 'forbidden' : undefined
      },
    }
  }
}
