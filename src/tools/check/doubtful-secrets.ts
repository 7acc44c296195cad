/**
 * Looks for two slips in the files by which the gateway proves who it is: others may write such a file, or there is
 * more around a secret than the one line break that editors add.
 *
 * The gateway does not read a file that others may write. A tool does, since it may see a checkout in place of what is
 * deployed, so it warns. Blanks around a secret are sent with it. No message quotes anything of a file.
 */
import type { Path } from '../../config/check/findings.ts'
import { isHandedOver, readAnyFile } from '../../config/read/own-file.ts'
import { type ByProviderType, byProviderType } from '../../config/schema/by-provider-type.ts'
import type { Config } from '../../config/schema/schema.ts'
import { writersProblem } from '../../lib/trusted-file.ts'
import { textOf } from '../../oauth/client-files.ts'
import type { Warning } from './warnings.ts'

/** @param config that was loaded with its files, so that they can be read */
export function doubtfulSecrets({ providers, upstreams }: Config): readonly Warning[] {
  const ofProviders = Object.entries(providers).flatMap(([id, provider]) =>
    byProviderType(FILES, provider).map(({ at, file }) => ({ path: ['providers', id, ...at], file })),
  )
  const ofUpstreams = Object.entries(upstreams).flatMap(([id, { exchange }]) =>
    filesIn('client', exchange?.client ?? {}).map(({ at, file }) => ({
      path: ['upstreams', id, 'exchange', ...at],
      file,
    })),
  )
  return [...ofProviders, ...ofUpstreams]
    .filter(({ file }) => !isHandedOver(file))
    .flatMap(({ path, file }) => warningsOf(path, file))
}

interface NamedFile {
  readonly at: Path
  readonly file: string
}

const FILES: ByProviderType<readonly NamedFile[]> = {
  jwt: ({ keys }) => filesIn('keys', { bearerFile: keys.bearerFile }),
  introspection: ({ keys, client }) => [
    ...filesIn('keys', { bearerFile: keys?.bearerFile }),
    ...filesIn('client', client),
  ],
  spiffe: ({ bundle }) => filesIn('bundle', { bearerFile: bundle.bearerFile }),
  session: ({ client, keyFiles }) => [
    ...filesIn('client', client),
    ...keyFiles.map((file, index) => ({ at: ['keyFiles', index], file })),
  ],
}

function filesIn(block: string, settings: Readonly<Record<string, string | undefined>>): readonly NamedFile[] {
  return Object.entries(settings).flatMap(([key, file]) =>
    key.endsWith('File') && file !== undefined ? [{ at: [block, key], file }] : [],
  )
}

function warningsOf(path: Path, file: string): readonly Warning[] {
  const writers = writersProblem(file)
  return [
    ...(writers === undefined
      ? []
      : [{ code: 'secret-writable' as const, path, message: `${writers}, or the gateway does not read it` }]),
    ...(path.at(-1) === 'secretFile' && hasBlanksAround(file)
      ? [{ code: 'secret-blanks' as const, path, message: BLANKS }]
      : []),
  ]
}

const BLANKS =
  'has blanks or more than one line break around its secret, which are sent as part of it; if that is a slip, take them away'

function hasBlanksAround(file: string): boolean {
  const secret = textOf(readAnyFile(file))
  return secret !== secret.trim()
}
