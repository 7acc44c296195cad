/**
 * Says which packages a build holds, and in which of its files: those of which at least a byte is in there, by what
 * esbuild tells of its own work. What a package asks for and no code of ours reaches is not among them.
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Metafile } from 'esbuild'

export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** As SPDX writes it. */
  readonly license: string
  /** Where it is installed, as the lock file spells it: `node_modules/ajv/node_modules/fast-uri`. */
  readonly folder: string
  /** Names of the files of the build that hold some of it. */
  readonly files: readonly string[]
  /** Folders of the packages whose code this one loads. */
  readonly uses: readonly string[]
}

/** What our own code loads is told under this folder, which is the root of the project. */
export const OURSELVES = ''

/**
 * @param root folder of the project
 * @returns the packages in order of their folders
 */
export function bundledPackages(root: string, metafile: Metafile): readonly BundledPackage[] {
  const files = new Map<string, Set<string>>()
  for (const [output, { inputs }] of Object.entries(metafile.outputs))
    for (const [input, { bytesInOutput }] of Object.entries(inputs))
      if (bytesInOutput > 0) added(files, folderOf(input), basename(output))
  const uses = new Map<string, Set<string>>()
  for (const [input, { imports }] of Object.entries(metafile.inputs))
    for (const { path, external } of imports)
      if (external !== true && folderOf(path) !== folderOf(input)) added(uses, folderOf(input), folderOf(path))
  return [...files.keys()].toSorted().map(folder => ({
    ...described(join(root, folder)),
    folder,
    files: [...(files.get(folder) ?? [])].toSorted(),
    uses: [...(uses.get(folder) ?? [])].filter(each => files.has(each)).toSorted(),
  }))
}

/** The path may begin outside of the project, where `node_modules` is a link. */
function folderOf(path: string): string {
  return /node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? OURSELVES
}

function added(sets: Map<string, Set<string>>, key: string, value: string): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(value))
}

function described(folder: string): Pick<BundledPackage, 'name' | 'version' | 'license'> {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return { name, version, license }
}
