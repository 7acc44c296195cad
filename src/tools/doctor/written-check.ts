/** Finds out whether the files that the gateway writes can be written: caches of keys and revocations, the audit. */
import { STANDARD_OUTPUT } from '../../config/schema/local-paths.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import type { Config } from '../../config/schema/schema.ts'
import { unwritableCache } from '../check/unwritable-caches.ts'
import type { Check } from './examined.ts'
import { finding, ok, skipped, warn } from './finding.ts'

const FILES_OF_KEYS = 'config/README.md#providersjwtkeys'

export const writtenCheck: Check = async ({ config, isWhole }) => {
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
  const audit = auditFindings(config, isWhole)
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

/** Whether the audit can be written is judged with the file, since nothing starts without it. */
function auditFindings({ audit }: Config, isWhole: boolean) {
  if (audit === undefined || audit.file === STANDARD_OUTPUT) return []
  const verdict = isWhole ? ok(`${audit.file} can be written`) : skipped('see what is said of the file')
  return [finding('writable', 'audit', verdict)]
}
