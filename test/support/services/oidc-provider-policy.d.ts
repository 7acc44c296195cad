/** Declares the part of oidc-provider by which issuers ask for another login than that of the session. */
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js' {
  /** What a check is given of the authorization request. */
  export interface CheckContext {
    readonly oidc: {
      readonly params: { readonly acr_values?: string; readonly login_hint?: string }
      readonly session?: { readonly accountId?: string }
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

  export interface Prompts {
    get(name: 'login' | 'consent'): Prompt
  }

  export function base(): Prompts
}

/** Declares the errors by which a grant of one's own refuses. */
declare module 'oidc-provider/lib/helpers/errors.js' {
  export class AccessDenied extends Error {}
  export class InvalidGrant extends Error {}
  export class InvalidTarget extends Error {}
}
