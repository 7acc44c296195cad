/**
 * What the package exports, as declarations alone: `src/build/declarations.ts` makes the types of the package of this
 * file, so that none of the types inside gets into them. `index.ts` is held to it by the compiler.
 */
import type { FastifyPluginAsync } from 'fastify'
import type { ConfigObject, Decision, Environment, Policy, RequestFacts, SallyportOptions } from './api.ts'

export { ConfigError } from '../errors.ts'
export type * from './api.ts'

/**
 * The guard, to be registered before the first route: `await app.register(sallyport, { config: 'sallyport.yaml' })`.
 * It rejects with a {@link ConfigError} where the configuration is bad.
 */
declare const sallyport: FastifyPluginAsync<SallyportOptions>
export default sallyport

/**
 * Loads a configuration, to be asked with {@link decide}. It waits until the keys of every provider are there, or could
 * not be fetched. Close it when it is not needed any more.
 *
 * @param config the path of a file, or what it would hold
 * @throws {ConfigError} the configuration is bad, with every problem
 */
export declare function loadPolicy(
  config: string | ConfigObject,
  options?: { readonly env?: Environment },
): Promise<Policy>

/**
 * Decides about a request as the guard would. A request without `Authorization` is an anonymous one.
 *
 * @param policy of {@link loadPolicy}
 */
export declare function decide(facts: RequestFacts, policy: Policy): Promise<Decision>
