/**
 * Declares the part of oidc-provider that the embedded issuer uses, since the package ships no types.
 *
 * Its inner modules are named on purpose. `lib/provider.js` is the class that the package exports; the entry of the
 * package would also print a notice on every Node release that is not LTS yet. The in-memory adapter is the default of
 * the package, which prints a warning unless it is chosen.
 */
declare module 'oidc-provider/lib/provider.js' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Interaction {
    readonly params: {
      readonly client_id: string
      readonly scope?: string
      readonly acr_values?: string
      readonly resource?: string | readonly string[]
    }
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  export interface InteractionResult {
    readonly login: { readonly accountId: string; readonly acr?: string }
    readonly consent: { readonly grantId: string }
  }

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    silent: boolean
    readonly Grant: new (of: {
      readonly accountId: string
      readonly clientId: string
    }) => Grant
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: 'server_error', listener: (context: unknown, error: Error) => void): this
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: InteractionResult): Promise<void>
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  export function createMemoryAdapter(): (model: string) => unknown
}
