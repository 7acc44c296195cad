/**
 * Gets packages that no dependency of the project can be: other versions of Node, which as a dependency would take the
 * place of the one that runs everything, and the schema of CycloneDX with its validator.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** Vitest's set-up says so when they could not be had. */
export const WITHOUT_NPM_PACKAGES = process.env.WITHOUT_NPM_PACKAGES === '1'

/** Names in the folder, and what npm knows them by. */
const PACKAGES: Readonly<Record<string, string>> = {
  'node-24': 'npm:node@24.21.0',
  'node-12': 'npm:node@12.22.12',
  '@cyclonedx/cyclonedx-library': '10.3.0',
  ajv: '8.20.0',
  'ajv-formats': '3.0.1',
  'ajv-formats-draft2019': '1.6.1',
}
const SPECS = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`)
const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/npm-packages-1', import.meta.url))

/** The oldest Node that the package is for, and one for which it is not. */
export function nodeProgram(major: 24 | 12): string {
  return join(FOLDER, `node_modules/node-${major}/bin/node`)
}

/** Where to import one of them from. */
export function npmPackage(name: string): string {
  return join(FOLDER, 'node_modules', name)
}

/** @throws {Error} they cannot be had */
export async function ensureNpmPackages(): Promise<void> {
  if (existsSync(FOLDER)) return
  console.log(`fetching ${SPECS.join(', ')}`)
  const unfinished = `${FOLDER}.${randomUUID()}`
  await mkdir(unfinished, { recursive: true })
  try {
    await exec('npm', ['install', '--prefix', unfinished, '--no-audit', '--no-fund', '--loglevel=error', ...SPECS])
    await rename(unfinished, FOLDER)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another process may have been faster.
    if (!existsSync(FOLDER)) throw error
  }
}
