/** Renders a kustomization with the real `kubectl kustomize`. */
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { binary, ROOT } from './binaries.ts'

export { ROOT } from './binaries.ts'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [member: string]: unknown
}

/** @param folder from the project's root or the root of all, with a `kustomization.yaml` */
export function render(folder: string): readonly Manifest[] {
  return manifestsOf(renderedText(folder))
}

/** What would be applied, as text. */
export function renderedText(folder: string): string {
  return execFileSync(binary('kubectl'), ['kustomize', resolve(ROOT, folder)], { encoding: 'utf8' })
}

export function manifestsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap(document => (document.toJS() as Manifest | null) ?? [])
}

export function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find(manifest => manifest.kind === kind && manifest.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name} among ${manifests.map(({ kind }) => kind)}`)
  return found
}
