/** Opens the sessions in the store for a command: of all providers that share theirs, with the keys that name them. */
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { withoutLineBreak } from '../lib/secrets.ts'
import { readTrustedFile } from '../lib/trusted-file.ts'
import { sessionKeys } from '../session/session-keys.ts'
import { openSessionListing } from '../session/session-listing.ts'
import { revocationName } from '../session/session-revocation.ts'
import { probeSharedSessions } from '../session/session-rights.ts'
import { StoreError } from '../store/failure.ts'
import type { Claims } from '../types.ts'
import { storeDefinition } from './store-definition.ts'

export type SessionProviders = ReadonlyMap<string, ProviderConfigs['session']>

interface StoredSessions {
  /** Those whose label is opened by a key of the configuration, and how many others there are. @throws {StoreError} */
  all(): Promise<{ readonly sessions: readonly StoredSessionOf[]; readonly unknown: number }>
  /** @returns false when it was over already @throws {StoreError} */
  remove(session: StoredSessionOf): Promise<boolean>
  close(): void
}

export interface StoredSessionOf {
  readonly provider: string
  readonly handle: string
  /** Those by which it may be revoked. */
  readonly claims: Claims
  readonly subject: string
  readonly createdAtMs: number
  readonly lastUsedAtMs: number
  /** How often its tokens were renewed. */
  readonly refreshes: number
}

export function sessionProviders({ providers }: Config): SessionProviders {
  return new Map(
    Object.entries(providers).flatMap(([id, provider]) => (provider.type === 'session' ? [[id, provider]] : [])),
  )
}

interface ListingDeps {
  readonly clock: Clock
  readonly scheduler: Scheduler
}

/** Continues "the store …", and names the rights that are missing; undefined: the error is none of the store. */
export async function storeProblem(
  { store: block }: Config,
  error: unknown,
  { clock, scheduler }: ListingDeps,
): Promise<string | undefined> {
  if (!(error instanceof StoreError) || block === undefined) return undefined
  if (error.code !== 'NOPERM') return error.message
  const deps = { scheduler, monotonicMs: clock.monotonicMs }
  return (await probeSharedSessions(storeDefinition(block), 'list', deps)) ?? error.message
}

/** @throws {StoreError} there is no connection @throws {TypeError} the configuration has no store */
export async function openStoredSessions(
  { store: block }: Config,
  providers: SessionProviders,
  { clock, scheduler }: ListingDeps,
): Promise<StoredSessions> {
  if (block === undefined) throw new TypeError('the configuration has no store')
  const keys = new Map(
    [...providers].map(([id, { keyFiles }]) => {
      const secrets = keyFiles.map(file => withoutLineBreak(readTrustedFile(file)))
      return [id, sessionKeys(secrets, id)] as const
    }),
  )
  const deps = { scheduler, monotonicMs: clock.monotonicMs, onCommand() {} }
  const listing = await openSessionListing(storeDefinition(block), keys, deps)
  return {
    async all() {
      const sessions: StoredSessionOf[] = []
      let unknown = 0
      for await (const { handle, generation, lastUsedAtMs, known } of listing.all()) {
        const provider = known && providers.get(known.provider)
        if (known === undefined || provider === undefined) {
          unknown += 1
          continue
        }
        const { subject, sid, createdAtMs } = known.label
        sessions.push({
          provider: known.provider,
          handle,
          claims: {
            iss: provider.issuer,
            sub: subject,
            ...(sid !== undefined && { sid }),
            jti: revocationName(handle),
            client_id: provider.client.id,
            iat: Math.floor(createdAtMs / 1000),
          },
          subject,
          createdAtMs,
          lastUsedAtMs,
          refreshes: generation - 1,
        })
      }
      return { sessions, unknown }
    },
    remove: ({ handle }) => listing.end(handle),
    close: listing.close,
  }
}
