/**
 * Takes from a configuration the entries that are right by themselves, so that rules which span entries can be judged
 * although another entry is wrong.
 *
 * An entry with a problem of its own is left out, since one could only guess what it means. Its id counts as known.
 */
import { providerSchema } from './provider-schema.ts'
import { routeSchema } from './route-schema.ts'
import {
  type Config,
  configSchema,
  type ProviderConfig,
  type RouteConfig,
  type UpstreamConfig,
  upstreamSchema,
} from './schema.ts'

/** The sections that hold entries, of which each can be right or wrong by itself. */
const WITH_ENTRIES = ['providers', 'upstreams', 'routes'] as const
type Section = Exclude<keyof Config, (typeof WITH_ENTRIES)[number]>

/** Every other section is right or wrong as a whole; one that is wrong, or not there, is undefined. */
type Sections = { readonly [S in Section]: Config[S] | undefined }

/** Holds what of a file is right by itself: sections, and the entries of those that have some. */
export interface Draft extends Sections {
  /** The names of all sections of the file, also of those that are wrong; undefined where it is no block of keys. */
  readonly written: ReadonlySet<string> | undefined
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>
  /** The keys are the positions in the list of the file. */
  readonly routes: ReadonlyMap<number, RouteConfig>
  /** The ids of all entries of the file are listed, also of those that are left out. */
  readonly providerIds: readonly string[]
  readonly upstreamIds: readonly string[]
  /** How many routes the file has, also those that are left out. */
  readonly routeCount: number
}

export function draftOf(value: unknown): Draft {
  const { providers, upstreams, routes, ...others } = members(value)
  return {
    ...sectionsOf(others),
    written: isBlock(value) ? new Set(Object.keys(value)) : undefined,
    providers: readable(Object.entries(members(providers)), providerSchema),
    upstreams: readable(Object.entries(members(upstreams)), upstreamSchema),
    routes: readable(Array.isArray(routes) ? [...routes.entries()] : [], routeSchema),
    providerIds: Object.keys(members(providers)),
    upstreamIds: Object.keys(members(upstreams)),
    routeCount: Array.isArray(routes) ? routes.length : 0,
  }
}

/** Reads each section by its own schema, so that a new one is in the draft without being named here. */
function sectionsOf(written: Readonly<Record<string, unknown>>): Sections {
  const sections = Object.entries(configSchema.shape).filter(([name]) => !isWithEntries(name))
  return Object.fromEntries(sections.map(([name, schema]) => [name, schema.safeParse(written[name]).data])) as Sections
}

function isWithEntries(name: string): boolean {
  return WITH_ENTRIES.some(each => each === name)
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return isBlock(value) ? { ...value } : {}
}

function isBlock(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
