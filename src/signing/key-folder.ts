/**
 * Reads the folder of the keys that sign our tokens: every file in it is one private key.
 *
 * Names that begin with a dot are passed over, since Kubernetes keeps its own links there, and so are folders. Nobody
 * but the operator may be able to write a key. Who else can read them is said beside them, and is not judged here.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KeySourceError } from '../keys/key-source-error.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { readTrustedFile, UntrustedFile } from '../lib/trusted-file.ts'
import { type SigningAlgorithm, type SigningKey, signingKey } from './signing-key.ts'

export interface FoundKey {
  readonly key: SigningKey
  /** The name of its file, by which keys that came together are put in order. */
  readonly file: string
  /** When it came into the folder, as far as the file system knows. */
  readonly sinceMs: number
  /** Whether everybody on this machine may read it. */
  readonly isOpen: boolean
}

/** A file that is no key. The message continues a sentence about it, and holds nothing of its content. */
interface FaultyFile {
  readonly file: string
  readonly message: string
}

export interface KeyFolder {
  /** In the order of the names of their files. */
  readonly keys: readonly FoundKey[]
  readonly faulty: readonly FaultyFile[]
}

/** @throws {KeySourceError} the folder cannot be read; the message continues "the folder …" */
export function readKeyFolder(folder: string): KeyFolder {
  const keys: FoundKey[] = []
  const faulty: FaultyFile[] = []
  for (const file of namesIn(folder)) {
    try {
      const found = foundKey(folder, file)
      if (found === undefined) continue
      checkTwins(found, keys)
      keys.push(found)
    } catch (error) {
      faulty.push({ file, message: problemOf(error) })
    }
  }
  return { keys, faulty }
}

/** Says why a folder is no use for signing; undefined when it is. It continues a sentence about the folder. */
export function keyFolderProblem({ keys, faulty }: KeyFolder, algorithm: SigningAlgorithm): string | undefined {
  const [first] = faulty
  if (first !== undefined) return `has a file \`${first.file}\` that ${first.message}`
  if (keys.some(({ key }) => key.algorithm === algorithm)) return undefined
  const others = keys.length === 0 ? 'no key' : `no key for ${algorithm}`
  return `holds ${others}; put a private key of ${TYPES[algorithm]} into it, each in a file of its own`
}

const TYPES: Readonly<Record<SigningAlgorithm, string>> = {
  ES256: 'EC P-256 (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`)',
  EdDSA: 'Ed25519 (`openssl genpkey -algorithm ED25519`)',
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter(name => !name.startsWith('.'))
      .toSorted()
  } catch (error) {
    throw new KeySourceError(`cannot be read: ${fileFailureText(error)}`)
  }
}

/** @returns undefined for a folder */
function foundKey(folder: string, file: string): FoundKey | undefined {
  const path = join(folder, file)
  const stats = statSync(path)
  if (stats.isDirectory()) return undefined
  const { mode, ctimeMs } = stats
  return { key: signingKey(readTrustedFile(path)), file, sinceMs: ctimeMs, isOpen: (mode & OTHERS_READ) !== 0 }
}

const OTHERS_READ = 0o004

/** @throws {KeySourceError} a service could not tell the two keys apart */
function checkTwins({ key }: FoundKey, others: readonly FoundKey[]): void {
  const twin = others.find(other => other.key.kid === key.kid)
  if (twin !== undefined)
    throw new KeySourceError(`holds the key, or one with the \`kid\`, of \`${twin.file}\`: give each its own`)
}

function problemOf(error: unknown): string {
  if (error instanceof KeySourceError || error instanceof UntrustedFile) return error.message
  return `cannot be read: ${fileFailureText(error)}`
}
