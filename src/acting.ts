/**
 * Does what was decided about a request: lets it pass, answers it, reads the body that its answer needs, or refuses it.
 * Each of these is on record first, where there is an audit log.
 *
 * It is the same for a gateway and for a guard in front of an application's own routes. Where a request goes that may
 * pass, and who judges a body, is theirs.
 */
import { ClientGone } from './downstream/receive.ts'
import { respond } from './downstream/respond.ts'
import { Denial } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { type ArrivedBody, WholeBody } from './forward/client-body.ts'
import type { Decision, JudgedBody, Route } from './policy.ts'
import { refuse as answerRefusal } from './refusal/refuse.ts'
import type { RefusalWriter } from './refusal/response.ts'
import type { Audit } from './telemetry/audit/audit.ts'
import type { Answer, WantedBody } from './types.ts'

interface ActorOptions {
  /** What decisions are recorded by at present. */
  readonly audits: { readonly current: Audit | undefined }
  /** Called before a refusal is answered. */
  readonly onRefused: (exchange: Exchange) => void
  /** Takes a request that may pass. */
  readonly onPassed: (exchange: Exchange, route: Route, body: ArrivedBody | undefined) => void
  /** Takes a request whose body says whether it may pass. */
  readonly judge: (exchange: Exchange, judged: JudgedBody) => void
  /** Gives an answer of our own that is no refusal. Left out, it goes out as it was made. */
  readonly respond?: ((exchange: Exchange, answer: Answer) => void) | undefined
  /** Makes the answer to a refused request. Left out, it is the one that clients get. */
  readonly refusal?: RefusalWriter | undefined
}

interface Actor {
  act(exchange: Exchange, decision: Decision): void
  /** @param body what was read of it already */
  pass(exchange: Exchange, route: Route, body?: ArrivedBody): void
  /** @param error a {@link Denial}; anything else is a bug */
  refuse(exchange: Exchange, error: unknown): void
  /** Refuses a request whose body has failed, unless its client has left. */
  gone(exchange: Exchange, error: unknown): void
}

export function actor({ audits, onRefused, onPassed, judge, respond: give = respond, refusal }: ActorOptions): Actor {
  return { act, pass, refuse, gone }

  function act(exchange: Exchange, decision: Decision): void {
    if (decision.kind === 'forward') pass(exchange, decision.route)
    else if (decision.kind === 'respond') answer(exchange, decision.answer)
    else if (decision.kind === 'read') read(exchange, decision.answer)
    else judge(exchange, decision.answer)
  }

  function refuse(exchange: Exchange, error: unknown): void {
    onRefused(exchange)
    const denial = error instanceof Denial ? error : new Denial('internal', { cause: error })
    audits.current?.refused(exchange, denial)
    answerRefusal(exchange, denial, refusal)
  }

  function pass(exchange: Exchange, route: Route, body?: ArrivedBody): void {
    if (recordPassed(exchange)) onPassed(exchange, route, body)
    else body?.onTaken()
  }

  function answer(exchange: Exchange, made: Answer): void {
    if (recordPassed(exchange, made.status)) give(exchange, made)
  }

  /** @returns false for a request that has to be on record and cannot be, and so has been refused */
  function recordPassed(exchange: Exchange, status?: number): boolean {
    const unrecorded = audits.current?.passed(exchange, status)
    if (unrecorded === undefined) return true
    refuse(exchange, unrecorded)
    return false
  }

  /** Answers with what the endpoint makes of the body. A client that has gone by then is told nothing. */
  function read(exchange: Exchange, wanted: WantedBody): void {
    const made = new WholeBody(exchange, wanted).bytes.then(body => {
      // What the answer changes is not undone by refusing it.
      const unrecorded = audits.current?.refusal
      if (unrecorded !== undefined) throw unrecorded
      return wanted.answer(body)
    })
    made.then(
      given => {
        if (!exchange.hasEnded) answer(exchange, given)
      },
      (error: unknown) => gone(exchange, error),
    )
  }

  function gone(exchange: Exchange, error: unknown): void {
    if (!exchange.hasEnded && !(error instanceof ClientGone)) refuse(exchange, error)
  }
}
