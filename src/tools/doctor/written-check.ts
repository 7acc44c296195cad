/** Finds out whether the files that the gateway writes can be written: caches of keys and revocations, the audit. */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { STANDARD_OUTPUT } from '../../config/schema/local-paths.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { unwritableCache } from '../check/unwritable-caches.ts'
import type { Check } from './examined.ts'
import { fail, finding, ok, skipped, warn } from './finding.ts'

const FILES_OF_KEYS = 'config/README.md#providersjwtkeys'

export const writtenCheck: Check = async ({ config }) => {
  const caches = cachesOf(config).map(({ name, file }) => {
    const problem = unwritableCache(file)
    return finding(
      'writable',
      name,
      problem === undefined
        ? ok(`${file} can be written`)
        : warn(
            `${file} cannot be written: ${problem}`,
            'mount a volume there that this user may write, such as an emptyDir',
            FILES_OF_KEYS,
          ),
    )
  })
  const audit = auditFindings(config)
  const all = [...caches, ...audit]
  return all.length > 0 ? all : [finding('writable', undefined, skipped('the configuration names no file to write'))]
}

function cachesOf({ providers, revocation }: Config) {
  const ofProviders = Object.entries(providers).flatMap(([id, provider]) => {
    const { cacheFile } = providerTraits(provider)
    return cacheFile === undefined ? [] : [{ name: `provider ${id}`, file: cacheFile.path }]
  })
  const { cacheFile } = revocation ?? {}
  return [...ofProviders, ...(cacheFile === undefined ? [] : [{ name: 'revocation', file: cacheFile }])]
}

function auditFindings({ audit }: Config) {
  if (audit === undefined || audit.file === STANDARD_OUTPUT) return []
  const problem = appendProblem(audit.file)
  const verdict =
    problem === undefined
      ? ok(`${audit.file} can be written`)
      : fail(
          `${audit.file} cannot be written: ${problem}`,
          'give this user the right to write the file, or to make it in its folder',
          'config/README.md#audit',
        )
  return [finding('writable', 'audit', verdict)]
}

/** A log is added to, so that its folder need not be writable once it is there. */
function appendProblem(file: string): string | undefined {
  try {
    const stats = statSync(file, { throwIfNoEntry: false })
    if (stats?.isDirectory() === true) return 'it is a folder'
    if (stats === undefined) accessSync(dirname(file), constants.W_OK | constants.X_OK)
    else accessSync(file, constants.W_OK)
    return undefined
  } catch (error) {
    return fileFailureText(error)
  }
}
