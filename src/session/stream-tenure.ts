/**
 * Says for how long a stream of a session may go on: as long as the session, if what the route asks for is there after
 * each refresh, too.
 */
import { Denial } from '../errors.ts'
import type { Authenticator, Authorizer, Principal, Tenure } from '../types.ts'
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

/** What one route says of a session: the streams of all its requests share it. */
interface Judgement {
  readonly tokens: SessionTokens
  /** Undefined while nobody can tell: what is asked then is asked again. */
  verdict: 'allowed' | 'forbidden' | undefined
  isUnderWay: boolean
}

export function streamTenures(options: StreamTenureOptions): (session: LiveSession) => Tenure {
  const { sessions, authenticate, authorize, principalOf } = options
  const judgements = new WeakMap<LiveSession, Judgement>()

  async function verdictOn(session: LiveSession, { accessToken: token }: SessionTokens): Promise<Judgement['verdict']> {
    try {
      const judged = principalOf?.(session)
      const credential = { token, scheme: 'Bearer', place: 'session', judged } as const
      await authorize(await authenticate(credential, NO_REQUEST, noNotes()), NO_REQUEST)
      return 'allowed'
    } catch (error) {
      // An outage of ours says nothing about the caller.
      return error instanceof Denial && error.spec.status >= 500 ? undefined : 'forbidden'
    }
  }

  async function judge(session: LiveSession, judgement: Judgement): Promise<void> {
    judgement.isUnderWay = true
    judgement.verdict = await verdictOn(session, judgement.tokens)
    judgement.isUnderWay = false
  }

  return session => {
    const { tokens: first } = session.record
    if (!judgements.has(session)) judgements.set(session, { tokens: first, verdict: 'allowed', isUnderWay: false })
    return {
      endedBy() {
        const over = sessions.endOf(session)
        if (over !== undefined) return over
        const { tokens } = session.record
        let judgement = judgements.get(session)
        if (judgement?.tokens !== tokens) {
          judgement = { tokens, verdict: undefined, isUnderWay: false }
          judgements.set(session, judgement)
        }
        if (judgement.verdict === undefined && !judgement.isUnderWay) void judge(session, judgement)
        return judgement.verdict === 'forbidden' ? 'forbidden' : undefined
      },
    }
  }
}
