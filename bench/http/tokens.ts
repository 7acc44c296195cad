/**
 * Makes the keys and tokens of the benchmark, once and with all cores, and keeps them in the temp
 * folder for the next run.
 *
 * A set is named by algorithm and size and thrown away after twelve hours, well before its tokens expire.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { JWK } from 'jose'

export const ISSUER = 'https://issuer.bench.example/'
export const AUDIENCE = 'https://orders.bench.example'
export const SCOPE = 'orders:read'

export const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

export interface SigningKey {
  readonly algorithm: Algorithm
  readonly privatePem: string
  readonly publicPem: string
  /** The public key, with `kid`, `alg` and `use`. */
  readonly jwk: JWK & { readonly kid: string }
}

/** The batch that a worker has to sign. */
export interface Batch {
  readonly key: SigningKey
  readonly from: number
  readonly to: number
  readonly issuedAtSeconds: number
  readonly claims: Claims
}

type Claims = Readonly<Record<string, unknown>>

const MAX_AGE_MS = 12 * 3600 * 1000

/** The folder is private to this user: the keys of a benchmark open nothing, but need not lie about either. */
export const FOLDER = join(tmpdir(), 'sallyport-bench')

export function signingKeys(): ReadonlyMap<Algorithm, SigningKey> {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  return new Map(ALGORITHMS.map(algorithm => [algorithm, signingKey(algorithm)]))
}

/** @returns a file with `count` distinct tokens of the algorithm, one a line */
export async function tokensFile(key: SigningKey, count: number): Promise<string> {
  const file = join(FOLDER, `tokens-${key.jwk.kid}-${count}.txt`)
  if (!isFresh(file)) await writeTokens(file, key, count, {})
  return file
}

/** @returns a new file with `count` distinct tokens that have further claims */
export async function tokensFileWith(claims: Claims, folder: string, key: SigningKey, count: number): Promise<string> {
  const file = join(folder, 'tokens.txt')
  await writeTokens(file, key, count, claims)
  return file
}

async function writeTokens(file: string, key: SigningKey, count: number, claims: Claims): Promise<void> {
  writeFileSync(file, `${(await mint(key, count, claims)).join('\n')}\n`, { mode: 0o600 })
}

export function tokensOf(file: string): readonly string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n')
}

function signingKey(algorithm: Algorithm): SigningKey {
  const file = join(FOLDER, `key-${algorithm}.json`)
  if (isFresh(file)) return JSON.parse(readFileSync(file, 'utf8')) as SigningKey
  const privateKey = generate(algorithm)
  const publicKey = createPublicKey(privateKey)
  // The name changes with the key, so that tokens of an older key are never taken for its own.
  const kid = `${algorithm}-${Math.random().toString(36).slice(2, 8)}`
  const key: SigningKey = {
    algorithm,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' },
  }
  writeFileSync(file, JSON.stringify(key), { mode: 0o600 })
  return key
}

function generate(algorithm: Algorithm): KeyObject {
  switch (algorithm) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'EdDSA':
      return generateKeyPairSync('ed25519').privateKey
  }
}

async function mint(key: SigningKey, count: number, claims: Claims): Promise<string[]> {
  const issuedAtSeconds = Math.floor(Date.now() / 1000) - 60
  const workers = count < 2_000 ? 1 : availableParallelism()
  const share = Math.ceil(count / workers)
  const batches = Array.from({ length: workers }, (_, at) => ({
    key,
    from: at * share,
    to: Math.min(count, (at + 1) * share),
    issuedAtSeconds,
    claims,
  }))
  return (await Promise.all(batches.map(signed))).flat()
}

function signed(batch: Batch): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('procs/mint.ts', import.meta.url), { workerData: batch })
    worker.once('message', resolve).once('error', reject)
  })
}

function isFresh(file: string): boolean {
  return existsSync(file) && Date.now() - statSync(file).mtimeMs < MAX_AGE_MS
}
