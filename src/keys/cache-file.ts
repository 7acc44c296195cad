/**
 * Keeps the last good JWK Set on disk, so that a restart while the provider is away still has keys.
 *
 * The file is written beside the old one and renamed, so that a crash leaves the old one or the new one, never half of
 * one. It is read with the suspicion of a response: it is refused when it is about another issuer or URL, older than
 * `maxStale`, from the future, or too large; the set in it then goes the way of a fetched one. A file that somebody
 * else could have written is not read at all, and neither is a link: this process never makes one.
 */

import { writeAtomically } from '../lib/atomic-file.ts'
import { codeOf, fileFailureText } from '../lib/failure-text.ts'
import { readTrustedFile, UntrustedFile } from '../lib/trusted-file.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { EMPTY_JWK_SET, type JwkSet, type SetFormat } from './jwk-set.ts'
import type { KeySetObserver } from './key-set-events.ts'

/** The content of one file. */
interface CachedSet {
  /** The URL from which the set was fetched. */
  readonly url: string
  /** Milliseconds since the epoch when the provider last vouched for it. */
  readonly fetchedAtMs: number
  /** The JWK Set as it came. */
  readonly document: unknown
}

interface LoadedSet extends CachedSet {
  readonly set: JwkSet
}

interface CacheFileOptions {
  readonly path: string
  readonly provider: string
  readonly issuer: string
  /** @returns whether a set from this URL may be used */
  readonly accepts: (url: string) => boolean
  readonly maxStaleMs: number
  readonly maxBytes: number
  readonly format: SetFormat
  readonly observer: Pick<KeySetObserver, 'cacheFile'>
}

/** Never throws: what goes wrong is reported, and costs the next restart its keys and nothing else. */
export interface CacheFile {
  /**
   * Reads while the caller waits, which is before the first request that could use the keys.
   *
   * @returns undefined when there is nothing to use
   */
  load(nowMs: number): LoadedSet | undefined
  /** Begins to write; what was begun before is written before. */
  save(set: CachedSet): void
  /** Resolves when everything begun is on disk, or has failed. */
  settled(): Promise<void>
}

const VERSION = 1
/** The clocks of two nodes that share a volume differ a little; by more than this, the age means nothing. */
const MOST_FUTURE_MS = 60_000
/** The envelope may add this to the size of the set. */
const ENVELOPE_BYTES = 16 * 1024

export function cacheFile(options: CacheFileOptions): CacheFile {
  const { path, issuer, provider, observer } = options
  let isBroken = false
  let last: Promise<void> = Promise.resolve()
  const attempt = async (task: () => Promise<void>): Promise<void> => {
    try {
      await task()
      isBroken = false
    } catch (error) {
      const reason = `it cannot be written: ${fileFailureText(error)}`
      if (!isBroken) observer.cacheFile({ provider, outcome: 'failed', reason })
      isBroken = true
    }
  }
  const begin = (task: () => Promise<void>): void => {
    last = last.then(() => attempt(task))
  }
  return {
    load(nowMs) {
      const found = read(options, nowMs)
      if (found === undefined) return undefined
      if ('refused' in found) {
        observer.cacheFile({ provider, outcome: 'refused', reason: found.refused })
        return undefined
      }
      observer.cacheFile({ provider, outcome: 'loaded', reason: undefined })
      return found
    },
    save: set =>
      begin(() => writeAtomically(path, file => file.writeFile(JSON.stringify({ version: VERSION, issuer, ...set })))),
    settled: () => last,
  }
}

interface Refusal {
  readonly refused: string
}

/** @returns undefined when there is no file yet */
function read(options: CacheFileOptions, nowMs: number): LoadedSet | Refusal | undefined {
  try {
    const mostBytes = options.maxBytes + ENVELOPE_BYTES
    const content = parseContent(readTrustedFile(options.path, { links: 'refused', mostBytes }).toString('utf8'))
    if (content === undefined) return { refused: 'it is not a key cache' }
    const refused = refusal(content, nowMs, options)
    if (refused !== undefined) return { refused }
    return { ...content, set: options.format.read(content.document, EMPTY_JWK_SET) }
  } catch (error) {
    if (error instanceof UntrustedFile) return { refused: `it ${error.message}` }
    if (error instanceof FetchFailure) return { refused: error.message }
    return codeOf(error) === 'ENOENT' ? undefined : { refused: `it cannot be read: ${fileFailureText(error)}` }
  }
}

interface CacheContent extends CachedSet {
  readonly issuer: string
}

function parseContent(text: string): CacheContent | undefined {
  const content = parseJson(text) as Readonly<Record<string, unknown>> | null | undefined
  const { version, issuer, url, fetchedAtMs, document } = content ?? {}
  if (version !== VERSION || typeof issuer !== 'string' || typeof url !== 'string') return undefined
  return typeof fetchedAtMs === 'number' ? { issuer, url, fetchedAtMs, document } : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal({ issuer, url, fetchedAtMs }: CacheContent, nowMs: number, options: CacheFileOptions) {
  if (issuer !== options.issuer) return 'it is about another issuer'
  if (!options.accepts(url)) return 'it comes from another URL'
  if (nowMs - fetchedAtMs > options.maxStaleMs) return 'it is older than maxStale'
  return fetchedAtMs - nowMs > MOST_FUTURE_MS ? 'it is from the future' : undefined
}
