/**
 * Finds caches that cannot be written: a gateway that restarts while its provider is away would have no keys
 * (`keys.cacheFile`), and one that restarts while its store is away would let pass what was revoked
 * (`revocation.cacheFile`).
 *
 * The gateway writes beside the file and renames, so the folder has to be writable. Nothing is written to find out.
 */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import type { Warning } from './warnings.ts'

export function unwritableCaches({ providers, revocation }: Config): readonly Warning[] {
  const ofProviders = Object.entries(providers).flatMap(([id, provider]) => {
    const { cacheFile } = providerTraits(provider)
    return cacheFile === undefined ? [] : warningsOf(cacheFile.path, ['providers', id, ...cacheFile.at], 'keys')
  })
  const { cacheFile } = revocation ?? {}
  return [
    ...ofProviders,
    ...(cacheFile === undefined ? [] : warningsOf(cacheFile, ['revocation', 'cacheFile'], 'revocations')),
  ]
}

/** @param kept what the cache keeps */
function warningsOf(file: string, path: Warning['path'], kept: string): readonly Warning[] {
  const problem = unwritableCache(file)
  if (problem === undefined) return []
  const message = `${problem}, so no ${kept} would be kept for a restart; with \`--no-files\`, it is not looked at`
  return [{ code: 'cache-unwritable' as const, path, message }]
}

/** Says why the file of a cache cannot be written; undefined when it can. */
export function unwritableCache(file: string): string | undefined {
  const folder = dirname(file)
  try {
    if (!statSync(folder).isDirectory()) return `\`${folder}\` is no folder`
    accessSync(folder, constants.W_OK | constants.X_OK)
    return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true ? 'is a folder' : undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return `the folder \`${folder}\` does not exist`
    return `the folder \`${folder}\` cannot be written: ${fileFailureText(error)}`
  }
}
