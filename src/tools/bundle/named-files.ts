/**
 * Lists the files that a configuration names, with what can be said of them without their content.
 *
 * Of a certificate or a public key set there is a digest, by which two can be told apart. There is none of a file that
 * holds a secret: whoever has the digest of a short password can find the password by trying.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { type Environment, substitute } from '../../config/read/environment.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import { MOST_INCLUDED_FILES } from '../../config/schema/include-schema.ts'
import { STANDARD_OUTPUT } from '../../config/schema/local-paths.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { readRegularFile } from '../../lib/trusted-file.ts'

interface NamedFile {
  /** Where the configuration names it, such as `store.passwordFile`. */
  readonly at: string
  readonly path: string
}

type Described = NamedFile & Readonly<Record<string, string | number | undefined>>

/** Keys of files that everybody may read. */
const PUBLIC_FILES: ReadonlySet<string> = new Set(['caFile', 'certFile', 'clientCaFile', 'jwksFile'])

/** Finds values under keys that are called `file`, or end in `File` or `Files`, at any depth. */
export function namedFiles(value: unknown, at: readonly string[] = []): readonly NamedFile[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]): readonly NamedFile[] => {
    const path = [...at, key]
    if (!/^file$|Files?$/.test(key)) return namedFiles(item, path)
    return [item]
      .flat()
      .flatMap(each =>
        typeof each === 'string' && each !== STANDARD_OUTPUT ? [{ at: path.join('.'), path: each }] : [],
      )
  })
}

/**
 * Finds the files that a configuration with mistakes names. Their secrets have to be known all the more: whoever has
 * mistakes in a configuration asks for help, while a gateway runs with the one before.
 */
export function mistakenlyNamedFiles(file: string, env: Environment): readonly NamedFile[] {
  return [file, ...mistakenlyIncludedFiles(file, env)].flatMap(each => namedIn(each, env))
}

/** Finds the files that a configuration includes, whether it has mistakes or not. */
export function mistakenlyIncludedFiles(file: string, env: Environment): readonly string[] {
  const whole = readAsYaml(contentOf(file))
  const included: unknown =
    typeof whole === 'object' && whole !== null && 'include' in whole ? whole.include : undefined
  const paths = namedFiles(included).map(({ path }) => resolve(dirname(file), substitute(path, env).value))
  return [...new Set(paths)].slice(0, MOST_INCLUDED_FILES)
}

function namedIn(file: string, env: Environment): readonly NamedFile[] {
  const text = contentOf(file)
  const scanned = [...text.matchAll(/(\w*File)["']?\s*:\s*["']?([^\s"',}\]]+)/g)].map(([, at = '', path = '']) => ({
    at,
    path,
  }))
  return [...namedFiles(readAsYaml(text)), ...scanned].map(({ at, path }) => ({
    at,
    path: resolve(dirname(file), substitute(path, env).value),
  }))
}

function contentOf(file: string): string {
  try {
    return readAnyFile(file).toString('utf8')
  } catch {
    return ''
  }
}

/** What of the text can be read as YAML. */
function readAsYaml(text: string): unknown {
  try {
    return parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: false }).toJS({ maxAliasCount: 100 })
  } catch {
    return undefined
  }
}

export function describedFile(file: NamedFile): Described {
  try {
    const { size, mode, uid, gid, mtime } = statSync(file.path)
    const facts = { size, mode: `0${(mode & 0o7777).toString(8)}`, uid, gid, changed: mtime.toISOString() }
    const isPublic = PUBLIC_FILES.has(keyOf(file))
    return { ...file, ...facts, sha256: isPublic ? digestOf(readFileSync(file.path)) : undefined }
  } catch (error) {
    return { ...file, problem: fileFailureText(error) }
  }
}

/** What stands in the files that hold secrets, and each part of it that could stand somewhere alone. */
export function secretsIn(files: readonly NamedFile[]): readonly string[] {
  return files
    .filter(
      file =>
        !PUBLIC_FILES.has(keyOf(file)) && /secret|token|bearer|password|credentials|headers|key/i.test(keyOf(file)),
    )
    .flatMap(({ path }) => {
      try {
        const text = readRegularFile(path).toString('utf8')
        const lines = text.split(/\r?\n/).map(line => line.trim())
        // Before a colon stands the name of a header or of a user.
        return [...lines, ...lines.map(line => line.replace(/^[^:]*:\s*/, '')), ...valuesIn(text)]
      } catch {
        // A file that cannot be read gives nothing away.
        return []
      }
    })
    .filter(part => part.length >= 6)
}

/** The members of a JWK, say. */
function valuesIn(text: string): readonly string[] {
  return [...text.matchAll(/"([^"\\]{12,})"/g)].map(([, value = '']) => value)
}

function keyOf({ at }: NamedFile): string {
  return at.slice(at.lastIndexOf('.') + 1)
}

export function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
