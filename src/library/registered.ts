/**
 * Registers the guard with an application: puts the configuration in force, judges every request before the
 * application sees it, and gives everything back when the application closes.
 */
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { engine } from '../run/engine.ts'
import { operations } from '../run/operations.ts'
import { exposition, familiesOf } from '../telemetry/metrics/exposition.ts'
import type { Sallyport } from './api.ts'
import { applicationLog } from './application-log.ts'
import { guard } from './guard.ts'
import { engineOptions, type Surroundings } from './guard-config.ts'
import { guardFrameworkErrors, queryParser, refuseUnsuitable } from './routing.ts'
import { guardUpgrades } from './upgrades.ts'

/** An application has its own servers, whose limits and certificates are its own, too. */
const NO_SERVERS = (): readonly Server[] => []

/**
 * @throws {ConfigError} the configuration is bad, with every problem
 * @throws {Error} the application cannot be guarded
 */
export async function registered(
  app: FastifyInstance,
  { watch, ...surroundings }: Surroundings & { readonly watch: boolean },
): Promise<void> {
  refuseUnsuitable(app)
  const ignored = new Set<string>()
  const options = engineOptions(surroundings, applicationLog(app.log), keys =>
    keys.forEach(key => void ignored.add(key)),
  )
  const deciding = engine(options, NO_SERVERS)
  const { config, services, policies, reloads } = deciding
  app.addHook('onClose', async () => {
    deciding.stop()
    await deciding.close()
  })
  await deciding.begin()
  if (ignored.size > 0)
    services.log.warn(
      { keys: [...ignored] },
      'these keys have no effect in front of an application: see config/library.md',
    )
  const operator = operations({
    ...surroundings,
    config,
    policies,
    reloads,
    drain: NO_DRAIN,
    services,
    refusals: undefined,
  })
  const guarding = guard(app.server, {
    ...services,
    policies,
    parseQuery: queryParser(app),
    config: () => reloads.inForce.config,
  })
  app.decorate('sallyport', {
    status: () => ({ ...operator.status() }),
    ready: () => operator.status().ready,
    async reload() {
      services.audits.reopen()
      await reloads.reload('application')
      const problems = reloads.lastRejected?.problems ?? []
      return { isInForce: problems.length === 0, problems }
    },
    metrics: async () => (await Array.fromAsync(exposition(familiesOf(operator.metrics())))).join(''),
  } satisfies Sallyport)
  app.decorateRequest('principal', null)
  app.addHook('onRequest', guarding.onRequest)
  app.addHook('onSend', guarding.onSend)
  guardFrameworkErrors(app, guarding.onRequest)
  guardUpgrades(app.server, guarding)
  if (watch) deciding.follow()
}

/** An application decides by itself when it stops. */
const NO_DRAIN = { isDraining: false, begin() {} }
