/**
 * Holds every key set in use, so that a reload which does not change where keys come from keeps them, their age and the
 * verdicts they gave.
 *
 * A set is the same when all that defines it is the same, the content of its files included. Each policy leases its
 * sets and releases them when it is replaced. A set that nobody leases lives on for a short while: requests that began
 * under the old policy finish with it, and a reload that is taken back finds it warm.
 */

import { createHash } from 'node:crypto'
import type { Egress } from '../egress/egress.ts'
import type { Clock } from '../lib/clock.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { type Lease, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { readTrustedFile, UntrustedFile } from '../lib/trusted-file.ts'
import type { KeySet } from '../types.ts'
import { cacheFile } from './cache-file.ts'
import { discoveryKeySource } from './discovery.ts'
import type { TraceRequest } from './fetch/request-trace.ts'
import { JWK_SET, type SetFormat } from './jwk-set.ts'
import type { KeySetObserver, LiveKeySet } from './key-set-events.ts'
import { type KeySource, urlKeySource } from './key-source.ts'
import { KeySourceError } from './key-source-error.ts'
import { remoteKeySet } from './remote-key-set.ts'
import { SPIFFE_BUNDLE } from './spiffe-bundle.ts'
import { bundleKeySet, jwksKeySet, secretKeySet } from './static-keys.ts'

/** How to fetch; see {@link RemoteKeySetOptions} and {@link DocumentRequest} for each. */
export interface FetchDefinition {
  readonly refreshMs: number
  readonly maxStaleMs: number
  readonly cooldownMs: number
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly caFile?: string | undefined
  readonly bearerFile?: string | undefined
  readonly cacheFile?: string | undefined
  readonly egress?: Egress | undefined
}

/** Where a provider's keys come from; as in `providers.*.keys` or `providers.*.bundle`, with units resolved. */
export type KeySourceDefinition =
  | ({ readonly type: 'jwksUri'; readonly url: string } & FetchDefinition)
  | ({
      readonly type: 'discovery'
      readonly hosts: readonly string[]
      readonly allowInsecureHttp: boolean
    } & FetchDefinition)
  | { readonly type: 'jwksFile'; readonly path: string }
  | { readonly type: 'jwks'; readonly document: unknown }
  | { readonly type: 'secretFile'; readonly path: string }
  /** A SPIFFE bundle. */
  | ({ readonly type: 'bundleUrl'; readonly url: string } & FetchDefinition)
  | { readonly type: 'bundleFile'; readonly path: string }

interface KeySetDefinition {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly issuer: string
  readonly source: KeySourceDefinition
}

/** The set goes on for a while after its release, for requests that have it. */
interface KeySetLease extends Lease<KeySet> {
  /** Resolves when the first attempt to get keys has ended, well or badly, or keys are in hand. */
  ready(): Promise<void>
}

export interface KeySetRegistry {
  /**
   * Starts fetching when the set is new; does not wait.
   *
   * @throws {KeySourceError} a file cannot be read or holds no usable key
   */
  acquire(definition: KeySetDefinition): KeySetLease
  /** Ends every set, timers and fetches included. */
  close(): Promise<void>
}

interface KeySetRegistryOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** From 0 up to 1, for jitter. */
  readonly random: () => number
  readonly observer: KeySetObserver
  /** Gives what makes traces of the fetches for a provider. */
  readonly traceOf?: ((provider: string) => TraceRequest) | undefined
}

/** Longer than a request waits for keys. */
const LINGER_MS = 60_000

/** A definition with what its file holds. */
interface ReadDefinition extends KeySetDefinition {
  readonly content: Buffer | undefined
}

export function keySetRegistry(options: KeySetRegistryOptions): KeySetRegistry {
  const sets = leases({
    identityOf,
    make(definition: ReadDefinition) {
      const keySet = makeKeySet(definition.source.type, definition, options)
      keySet.start()
      return keySet
    },
    end: keySet => keySet.close(),
    lingerMs: LINGER_MS,
    scheduler: options.scheduler,
  })
  return {
    acquire(definition) {
      const lease = sets.acquire({ ...definition, content: fileContent(definition.source) })
      return { ...lease, ready: () => lease.value.ready() }
    },
    close: sets.close,
  }
}

function fileContent(source: KeySourceDefinition): Buffer | undefined {
  if (!('path' in source)) return undefined
  try {
    return readTrustedFile(source.path)
  } catch (error) {
    if (error instanceof UntrustedFile) throw new KeySourceError(error.message)
    throw new KeySourceError(`cannot be read: ${fileFailureText(error)}`)
  }
}

/** Holds a digest of a secret's file and never the secret. */
function identityOf({ content, ...definition }: ReadDefinition): string {
  const digest = content && createHash('sha256').update(content).digest('hex')
  return JSON.stringify([definition, digest])
}

type Definitions = { readonly [D in KeySourceDefinition as D['type']]: D }

type DefinitionFrom<T extends keyof Definitions> = Omit<ReadDefinition, 'source'> & { readonly source: Definitions[T] }

/** How keys of each type of source are made; a type without an entry does not compile. */
const KEY_SETS: {
  readonly [T in keyof Definitions]: (definition: DefinitionFrom<T>, options: KeySetRegistryOptions) => LiveKeySet
} = {
  jwks: ({ provider, source }) => jwksKeySet(JSON.stringify(source.document), provider),
  jwksFile: ({ provider, content = NOTHING }) => jwksKeySet(content.toString('utf8'), provider),
  secretFile: ({ provider, content = NOTHING }) => secretKeySet(content, provider),
  jwksUri: (definition, options) =>
    fetchedKeySet(definition, urlKeySource(definition.source.url, traced(definition, options)), options, JWK_SET),
  discovery: (definition, options) =>
    fetchedKeySet(
      definition,
      discoveryKeySource({ ...traced(definition, options), issuer: definition.issuer }),
      options,
      JWK_SET,
    ),
  bundleFile: ({ provider, content = NOTHING }) => bundleKeySet(content.toString('utf8'), provider),
  bundleUrl: (definition, options) =>
    fetchedKeySet(definition, urlKeySource(definition.source.url, traced(definition, options)), options, SPIFFE_BUNDLE),
}

function traced<T>(
  { source, provider }: { readonly source: T; readonly provider: string },
  { traceOf }: KeySetRegistryOptions,
): T & { readonly trace: TraceRequest | undefined } {
  return { ...source, trace: traceOf?.(provider) }
}

/** Stands for the content of the file where a source has none. */
const NOTHING = Buffer.alloc(0)

function makeKeySet<T extends keyof Definitions>(
  type: T,
  definition: DefinitionFrom<T>,
  options: KeySetRegistryOptions,
): LiveKeySet {
  return KEY_SETS[type](definition, options)
}

function fetchedKeySet(
  { provider, issuer, source: tuning }: DefinitionFrom<'jwksUri' | 'discovery' | 'bundleUrl'>,
  source: KeySource,
  options: KeySetRegistryOptions,
  format: SetFormat,
): LiveKeySet {
  const { cacheFile: path } = tuning
  const cache =
    path === undefined
      ? undefined
      : cacheFile({ ...tuning, ...options, path, provider, issuer, format, accepts: source.accepts })
  return remoteKeySet({ ...tuning, ...options, provider, source, format, cacheFile: cache })
}
