/**
 * Takes from a configuration the entries that are right by themselves, so that rules which span entries can be judged
 * although another entry is wrong.
 *
 * An entry with a problem of its own is left out, since one could only guess what it means. Its id counts as known.
 */
import { providerSchema } from './provider-schema.ts'
import { routeSchema } from './route-schema.ts'
import {
  type AdminConfig,
  adminSchema,
  type IdentityConfig,
  identitySchema,
  type LimitsConfig,
  type ListenConfig,
  limitsSchema,
  listenSchema,
  type ProviderConfig,
  type RouteConfig,
  type UpstreamConfig,
  upstreamSchema,
} from './schema.ts'

/** Holds the entries of a file that are right by themselves; a block that is not is undefined. */
export interface Draft {
  readonly listen: ListenConfig | undefined
  readonly admin: AdminConfig | undefined
  readonly identity: IdentityConfig | undefined
  readonly limits: LimitsConfig | undefined
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>
  /** The keys are the positions in the list of the file. */
  readonly routes: ReadonlyMap<number, RouteConfig>
  /** The ids of all entries of the file are listed, also of those that are left out. */
  readonly providerIds: readonly string[]
  readonly upstreamIds: readonly string[]
}

export function draftOf(value: unknown): Draft {
  const { listen, admin, identity = {}, limits = {}, providers, upstreams, routes } = members(value)
  return {
    listen: listenSchema.safeParse(listen).data,
    admin: adminSchema.safeParse(admin).data,
    identity: identitySchema.safeParse(identity).data,
    limits: limitsSchema.safeParse(limits).data,
    providers: readable(Object.entries(members(providers)), providerSchema),
    upstreams: readable(Object.entries(members(upstreams)), upstreamSchema),
    routes: readable(Array.isArray(routes) ? [...routes.entries()] : [], routeSchema),
    providerIds: Object.keys(members(providers)),
    upstreamIds: Object.keys(members(upstreams)),
  }
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

function readable<Key, Output>(
  entries: Iterable<readonly [Key, unknown]>,
  schema: { safeParse(value: unknown): { readonly data?: Output } },
): ReadonlyMap<Key, Output> {
  const read = new Map<Key, Output>()
  for (const [key, value] of entries) {
    const { data } = schema.safeParse(value)
    if (data !== undefined) read.set(key, data)
  }
  return read
}
