/**
 * Starts a gateway from a configuration file: puts it in force (`engine.ts`), listens, and watches the file.
 *
 * Nothing listens before the whole configuration is known to be good. A key server that is down does not keep the
 * gateway from starting: requests that need its keys are answered with 503 until it is back.
 */
import type { FastifyInstance } from 'fastify'
import { admin } from '../admin/admin.ts'
import type { Config, DecideConfig } from '../config/schema/schema.ts'
import { decisions } from '../decisions.ts'
import { trustedProxies } from '../downstream/client-address.ts'
import { type Acceptor, type Drain, type DrainPace, drain } from '../downstream/drain.ts'
import { overloadGate } from '../downstream/overload.ts'
import type { ServerOptions } from '../downstream/server.ts'
import { gateway } from '../gateway.ts'
import { type LoopMeter, loopMeter } from '../lib/loop-meter.ts'
import { dropConnectionsOverLimit } from '../node/server-limits.ts'
import type { Policy } from '../policy.ts'
import { exposition, familiesOf } from '../telemetry/metrics/exposition.ts'
import { refusalsOf, shownConsole } from './console.ts'
import { type EngineOptions, engine } from './engine.ts'
import { listedPaths } from './listed-paths.ts'
import { closeNow } from './listening.ts'
import { listenAs } from './named-listening.ts'
import { type Operations, operations } from './operations.ts'
import type { RevocationPeers } from './revocation-peers.ts'
import type { Services } from './services.ts'

export interface StartOptions extends EngineOptions {
  /** Measures the event loop; left out, that of this process. */
  readonly meter?: LoopMeter | undefined
  /** Draws who is refused under overload; left out, `Math.random` does. */
  readonly random?: (() => number) | undefined
  /** Where connections come from that this process does not accept alone. */
  readonly acceptor?: Acceptor | undefined
  /** The port on which this worker listens by itself; left out, its primary opens the socket. */
  readonly besidePort?: number | undefined
  /** The other workers, which hear of what is revoked here, and tell what was revoked there. */
  readonly peers?: RevocationPeers | undefined
}

export interface RunningGateway {
  /** `http://127.0.0.1:8080`, or `unix:/path`; where there is no `listen`, that of `decide`. */
  readonly url: string
  /** Undefined when the configuration has no `decide`. */
  readonly decideUrl: string | undefined
  /** Undefined when the configuration has no `admin`. */
  readonly adminUrl: string | undefined
  /** Says which configuration was in force when it was started. */
  readonly hash: string
  readonly routes: Policy['routes']
  readonly config: Config
  /** What its admin listener offers, or would offer if it had one. */
  readonly operations: Operations
  /** Loads the file again, changed or not. It resolves when that has succeeded or failed; the log says which. */
  reload(): Promise<void>
  /** Lets requests under way end, up to `drain.timeout`; {@link RunningGateway.close} is still to be called. */
  drain(pace?: DrainPace): Promise<void>
  /** Ends at once, and drops requests under way. */
  close(): Promise<void>
}

/** Longest time for the answers that are still under way once all traffic has ended. */
const LAST_DRAIN_MS = 2_000

/**
 * @throws {ConfigError} the configuration is bad, with every problem
 * @throws {Error} an address cannot be listened on
 */
export async function start(options: StartOptions): Promise<RunningGateway> {
  const { file, workerOf, besidePort } = options
  const deciding = engine(options, () => [...draining.servers, ...lastDraining.servers])
  const { config, first, services, policies, reloads } = deciding
  const { log } = services
  const timeoutMs = (): number => reloads.inForce.config.drain.timeout
  const draining = drain({ ...services, acceptor: options.acceptor, timeoutMs })
  // A proxy asks about its requests for as long as it has some, so decisions end when all else has.
  const isApart = config.listen !== undefined && config.decide !== undefined
  const lastDraining = isApart ? drain({ ...services, timeoutMs: () => LAST_DRAIN_MS }) : draining
  const overload = overloadGate({
    ...services,
    meter: options.meter ?? loopMeter(),
    random: options.random ?? Math.random,
  })
  const apps: FastifyInstance[] = []
  const close = async (): Promise<void> => {
    deciding.stop()
    overload.close()
    await Promise.all(apps.map(closeNow))
    await deciding.close()
  }
  try {
    await deciding.begin(options.peers)
    const refusals = await refusalsOf(config, services)
    const serving = { ...services, policies, overload, refusals }
    const app = config.listen && (await gateway({ ...serving, server: first.server, drain: draining }))
    const decisionApp =
      config.decide && (await decisionsOf(config.decide, { ...serving, drain: lastDraining }, first.server))
    for (const each of [app, decisionApp]) if (each !== undefined) apps.push(each)
    const { version } = options
    const operator = operations({ version, config, policies, reloads, drain: draining, services, refusals })
    let adminUrl: string | undefined
    if (config.admin !== undefined && workerOf === undefined) {
      const adminApp = await adminOf(operator, config.admin, () => reloads.inForce.config, services)
      apps.push(adminApp)
      adminUrl = await listenAs('admin.listen', adminApp, config.admin.listen, 'http')
    }
    const decideUrl =
      config.decide && decisionApp && (await listenAs('decide.listen', decisionApp, config.decide.listen, 'http'))
    const trafficUrl =
      config.listen &&
      app &&
      (await listenAs(
        'listen',
        app,
        config.listen,
        config.listen.tls === undefined ? 'http' : 'https',
        workerOf === undefined ? 'own' : besidePort === undefined ? 'handed' : { besidePort },
      ))
    for (const server of new Set([...draining.servers, ...lastDraining.servers])) dropConnectionsOverLimit(server)
    deciding.follow()
    const { hash } = first
    const includes = config.include?.length
    if (workerOf === undefined)
      log.info(
        {
          url: trafficUrl,
          decide: decideUrl,
          admin: adminUrl,
          config: file,
          includes,
          hash,
          routes: config.routes.length,
        },
        'listening',
      )
    return {
      url: trafficUrl ?? decideUrl ?? '',
      decideUrl,
      adminUrl,
      hash,
      routes: first.policy.routes,
      config,
      operations: operator,
      reload() {
        services.audits.reopen()
        return reloads.reload('SIGHUP')
      },
      async drain(pace) {
        await draining.finish('signal', pace)
        if (isApart) await lastDraining.finish('signal')
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function decisionsOf(
  { caller, trustedProxies: proxies }: DecideConfig,
  serving: Omit<Parameters<typeof decisions>[0], 'caller' | 'trusts' | 'server'> & { readonly drain: Drain },
  { limits }: ServerOptions,
): Promise<FastifyInstance> {
  return decisions({ ...serving, caller, trusts: trustedProxies(proxies), server: { limits } })
}

async function adminOf(
  operator: Operations,
  { hosts, console: shown }: NonNullable<Config['admin']>,
  inForce: () => Config,
  { clock, scheduler }: Services,
): Promise<FastifyInstance> {
  const { status, metrics, appProbes, drain, revocations, publishedKeys, recent } = operator
  return admin({
    status,
    metricsText: () => exposition(familiesOf(metrics())),
    metricsContentType: metrics().contentType,
    appProbes,
    hosts,
    drain,
    revocations,
    publishedKeys,
    listed: () => listedPaths(inForce()),
    console:
      shown &&
      (await shownConsole(shown, {
        clock,
        scheduler,
        status,
        families: () => familiesOf(metrics()),
        parts: (...asked) => [recent?.(...asked)],
      })),
  })
}
