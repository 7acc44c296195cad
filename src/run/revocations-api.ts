/** Answers `/-/revocations` for this process, by the configuration in force, and logs each change. */
import type { AnswerRevocations } from '../admin/revocations.ts'
import { revocationsAnswer } from '../admin/revocations-answer.ts'
import type { Prepared } from './prepare.ts'
import type { Services } from './services.ts'

type ApiServices = Pick<Services, 'clock' | 'log' | 'revocations' | 'revoker'>

export function revocationsApi(services: ApiServices, inForce: () => Prepared): AnswerRevocations {
  const { clock, log, revocations, revoker } = services
  return revocationsAnswer({
    rules() {
      const { config, revokerSecrets } = inForce()
      if (config.revocation === undefined || revokerSecrets === undefined) return undefined
      return { secrets: revokerSecrets, keepSeconds: config.revocation.keep / 1000 }
    },
    revoker,
    revocations,
    nowSeconds: () => Math.floor(clock.nowMs() / 1000),
    // Names stand in this log as in the lines of requests: whoever finds a user locked out has to see why, and undo it.
    onChange: ({ kind, issuer, value, reason }, { result, scope, id }) =>
      log.info(
        { revoked_by: kind, issuer, [kind === 'sub' ? 'subject' : 'value']: value, result, scope, id, reason },
        result === 'undone' ? 'a revocation was undone by the admin API' : 'a revocation came by the admin API',
      ),
  })
}
