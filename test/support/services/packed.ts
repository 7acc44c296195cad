/**
 * Packs the project as `npm pack` does in a fresh clone, and installs the package into an empty folder.
 *
 * The clone is a copy of what git knows and of what it would take up, so that what is not committed yet is tried, too.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** Those who run the tests may have set npm to anything. */
const NPM_ENV = { ...process.env, npm_config_loglevel: 'error', npm_config_dry_run: 'false' }

export interface Clone {
  readonly folder: string
  /** @returns the file of the package @throws {Error} with what npm printed */
  pack(): string
  remove(): void
}

export function cloned(): Clone {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-clone-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of listed.toString().split('\0').filter(isOfProject)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return {
    folder,
    pack() {
      const out = execFileSync('npm', ['pack'], { cwd: folder, env: NPM_ENV, encoding: 'utf8', stdio: 'pipe' })
      return join(folder, out.trim().split('\n').at(-1) ?? '')
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A work tree may have `node_modules` as a link, which git takes for a file. */
function isOfProject(file: string): boolean {
  return file !== '' && file !== 'node_modules'
}

/** Installs the package alone, without a network: it needs nothing else. @returns the folder */
export function installed(tarball: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-installed-'))
  writeFileSync(join(folder, 'package.json'), '{}')
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: folder, env: NPM_ENV })
  return folder
}
