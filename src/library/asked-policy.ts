/**
 * Asks a configuration about requests that nobody has sent, for tests of an application's own policy.
 *
 * The same code decides as in front of the application, with the keys of the real providers. Nothing is put in force:
 * no file of audit records is opened, and no store is connected to. What is asked counts against limits as if it were
 * sent, and spends nothing of anybody else's.
 */
import type { Config } from '../config/schema/schema.ts'
import { decide as decideOn } from '../decide.ts'
import { Denial } from '../errors.ts'
import { type Policy as CompiledPolicy, Undecided } from '../policy.ts'
import { refusalResponse } from '../refusal/response.ts'
import { engine, load } from '../run/engine.ts'
import type { RequestFacts as CompleteFacts } from '../types.ts'
import type { Decision, HeaderFields, Policy, RequestFacts } from './api.ts'
import { silentLog } from './application-log.ts'
import { engineOptions, type Surroundings } from './guard-config.ts'
import { principalView } from './principal-view.ts'

const compiled = new WeakMap<Policy, CompiledPolicy>()

/** @throws {ConfigError} the configuration is bad, with every problem */
export async function askedPolicy(surroundings: Surroundings): Promise<Policy> {
  const options = engineOptions(surroundings, silentLog, () => {})
  const { config, contents } = load(options.file, options.env, options.readFile, options.use)
  const deciding = engine({ ...options, loaded: { config: counting(config), contents } }, () => [])
  await deciding.first.providersTried()
  const { hash, policy } = deciding.first
  const asked: Policy = Object.freeze({
    hash,
    routes: policy.routes.map(({ id, path, methods, access, mode }) => ({
      id,
      path,
      methods: methods && [...methods],
      access,
      mode,
    })),
    async close() {
      deciding.stop()
      deciding.first.release()
      await deciding.close()
    },
  })
  compiled.set(asked, policy)
  return asked
}

/** Counts what is asked by itself, since the store that others share their quotas by is never there. */
function counting({ rateLimits, ...config }: Config): Config {
  const own = Object.entries(rateLimits).map(([id, limit]) => [id, { ...limit, store: false }])
  return { ...config, rateLimits: Object.fromEntries(own) }
}

/** Names the request in what is answered. */
const REQUEST_ID = 'asked'

/**
 * Decides about a request as the guard would. A request without `Authorization` is an anonymous one.
 *
 * @param policy of `loadPolicy`
 */
export async function decide(facts: RequestFacts, policy: Policy): Promise<Decision> {
  const inForce = compiled.get(policy)
  if (inForce === undefined) throw new TypeError('sallyport: the policy has to be one that loadPolicy gave')
  const complete = completeFacts(facts)
  const findings = new Undecided()
  try {
    const decision = await decideOn(complete, inForce, findings)
    if (decision.kind === 'respond') {
      const { status, headers, body } = decision.answer
      return { kind: 'answered', status, headers: fields([...headers, ...findings.responseLines]), body }
    }
    if (decision.kind !== 'forward') return { kind: 'answered', status: undefined, headers: {}, body: '' }
    const { route, host, identityLines, principal, reported } = decision
    const { rawHeaders, peer } = complete
    const trace = inForce.traces?.(complete)
    return {
      kind: 'allowed',
      route: route.id,
      principal: principalView(principal),
      headers: fields(route.requestHeaders({ rawHeaders, host, peer, requestId: REQUEST_ID, trace, identityLines })),
      reported: reported?.code,
    }
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    const { status, headers, body } = refusalResponse(error, complete, findings, REQUEST_ID)
    const shown = Object.entries(headers).map(([name, value]) => [name, typeof value === 'number' ? `${value}` : value])
    return {
      kind: 'refused',
      route: findings.route?.id,
      code: error.code,
      status,
      headers: Object.fromEntries(shown),
      body,
    }
  }
}

function completeFacts({
  method = 'GET',
  target,
  headers = {},
  httpVersion = '1.1',
  peer: { address = '127.0.0.1', protocol = 'http', certificateThumbprint } = {},
}: RequestFacts): CompleteFacts {
  const given = Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap(value => [name, value]))
  const hasHost = Object.keys(headers).some(name => name.toLowerCase() === 'host')
  return {
    method,
    target,
    httpVersion,
    rawHeaders: hasHost ? given : ['Host', 'localhost', ...given],
    peer: { address, protocol, certificateThumbprint },
    hasBody: undefined,
    headBytes: 0,
  }
}

function fields(lines: readonly string[]): HeaderFields {
  const found = new Map<string, string | readonly string[]>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    const before = found.get(name)
    const value = lines[i + 1] as string
    found.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(found)
}
