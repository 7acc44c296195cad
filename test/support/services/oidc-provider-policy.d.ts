/** Declares the part of oidc-provider by which the issuer of bound tokens asks for another login. */
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js' {
  /** What a check is given of the authorization request. */
  export interface CheckContext {
    readonly oidc: {
      readonly params: { readonly acr_values?: string }
      /** The session's. */
      readonly acr: string | undefined
      readonly result?: { readonly login?: object }
    }
  }

  export class Check {
    constructor(reason: string, description: string, isPrompted: (context: CheckContext) => boolean)
  }

  export interface Prompt {
    readonly checks: { add(check: Check): void }
  }

  export function base(): { get(name: 'login' | 'consent'): Prompt }
}
