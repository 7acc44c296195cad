/** Answers `/-/revocations` for this process, by the configuration in force, and logs each change. */
import type { AnswerRevocations } from '../admin/revocations.ts'
import { revocationsAnswer } from '../admin/revocations-answer.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { issuersOf } from '../config/schema/tenants.ts'
import { issuerTemplate } from '../issuer-template.ts'
import type { Prepared } from './prepare.ts'
import type { Services } from './services.ts'

type ApiServices = Pick<Services, 'clock' | 'log' | 'revocations' | 'revoker'>

export function revocationsApi(services: ApiServices, inForce: () => Prepared): AnswerRevocations {
  const { clock, log, revocations, revoker } = services
  return revocationsAnswer({
    rules() {
      const { config, revokerSecrets } = inForce()
      if (config.revocation === undefined || revokerSecrets === undefined) return undefined
      return {
        secrets: revokerSecrets,
        keepSeconds: config.revocation.keep / 1000,
        spellingsOf: issuer => spellingsIn(config, issuer),
        issuerProblem: issuer => issuerProblem(config, issuer),
      }
    },
    revoker,
    revocations,
    nowSeconds: () => Math.floor(clock.nowMs() / 1000),
    // Names stand in this log as in the lines of requests: whoever finds a user locked out has to see why, and undo it.
    onChange: (verb, { kind, issuer, value, reason }, { result, scope, id }) =>
      log.info(
        { revoked_by: kind, issuer, [kind === 'sub' ? 'subject' : 'value']: value, result, scope, id, reason },
        verb === 'undo' ? 'a revocation was taken back by the admin API' : 'a revocation came by the admin API',
      ),
  })
}

/** @returns nothing for an issuer whose tokens nobody takes by that name */
function spellingsIn({ providers }: Config, issuer: string): readonly string[] {
  return Object.values(providers).flatMap(provider => {
    const spellings = issuersOf(providerTraits(provider).issuers)
    return spellings.includes(issuer) ? spellings : []
  })
}

function issuerProblem({ providers }: Config, issuer: string): string | undefined {
  const taken = Object.values(providers).map(provider => providerTraits(provider).issuers)
  const isTaken = taken.some(each => {
    const template = issuerTemplate(each.issuer)
    return template === undefined ? issuersOf(each).includes(issuer) : template.valuesIn(issuer) !== undefined
  })
  if (isTaken) return undefined
  return `is that of no provider; there are ${taken.flatMap(issuersOf).join(', ')}`
}
