/**
 * Keeps what the provider of logins knows: clients that can be changed at any time, and everything else in maps.
 *
 * The adapter that oidc-provider brings forgets the oldest of a thousand things, for all providers of a process
 * together. Many logins need more, and a test asks for things of one user.
 */

/** A stored thing; the members are those that are looked at here. */
interface Payload {
  readonly accountId?: string
  readonly grantId?: string
  readonly uid?: string
  readonly authorizations?: Readonly<Record<string, { readonly sid?: string }>>
  consumed?: number
}

export interface ProviderState {
  /** For oidc-provider. */
  readonly adapter: (model: string) => object
  /** Registers a client, or changes it; it counts from the next request on. */
  setClient(metadata: { readonly client_id: string; readonly [member: string]: unknown }): void
  /** `sid` of each session that the user has with the client. */
  sids(accountId: string, clientId: string): readonly string[]
  /** Forgets everything of these kinds that is the user's. */
  forget(accountId: string, models: readonly string[]): void
}

export function createProviderState(): ProviderState {
  const clients = new Map<string, object>()
  const models = new Map<string, Map<string, Payload>>()
  const stored = (model: string): Map<string, Payload> => {
    const known = models.get(model) ?? new Map<string, Payload>()
    models.set(model, known)
    return known
  }
  return {
    adapter: model => (model === 'Client' ? { find: async (id: string) => clients.get(id) } : storing(stored(model))),
    setClient(metadata) {
      clients.set(metadata.client_id, metadata)
    },
    sids(accountId, clientId) {
      const sessions = [...stored('Session').values()].filter(session => session.accountId === accountId)
      return sessions.flatMap(({ authorizations }) => authorizations?.[clientId]?.sid ?? [])
    },
    forget(accountId, kinds) {
      for (const kind of kinds) removeWhere(stored(kind), payload => payload.accountId === accountId)
    },
  }
}

/** Everything stays until it is removed: oidc-provider looks at the time in what it finds by itself. */
function storing(payloads: Map<string, Payload>): object {
  return {
    async upsert(id: string, payload: Payload) {
      payloads.set(id, payload)
    },
    async find(id: string) {
      return payloads.get(id)
    },
    async findByUid(uid: string) {
      return payloads.values().find(payload => payload.uid === uid)
    },
    async consume(id: string) {
      const payload = payloads.get(id)
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1_000)
    },
    async destroy(id: string) {
      payloads.delete(id)
    },
    async revokeByGrantId(grantId: string) {
      removeWhere(payloads, payload => payload.grantId === grantId)
    },
  }
}

function removeWhere(payloads: Map<string, Payload>, isMeant: (payload: Payload) => boolean): void {
  for (const [id, payload] of payloads) if (isMeant(payload)) payloads.delete(id)
}
