/**
 * Finds the folder in which `npm run sallyport` was called: npm starts every script in the folder of the package, while
 * paths of a command line are meant from where its writer stands. npm tells the folder in `INIT_CWD`.
 *
 * It counts only for our own scripts in our own package. Any other process may have inherited these variables, and in a
 * script of somebody else's package, paths are meant from that package's folder, as its author has written them.
 */
import { realpathSync } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import type { CommandIo } from './command.ts'

/** Those that take a user's paths. */
const SCRIPTS: ReadonlySet<string | undefined> = new Set(['sallyport', 'start'])

/**
 * @param packageFile our own `package.json`
 * @returns undefined: the process is where it was called
 */
export function callersFolder(env: CommandIo['env'], currentFolder: string, packageFile: string): string | undefined {
  const { INIT_CWD: folder, npm_lifecycle_event: script, npm_package_json: ofPackage } = env
  if (folder === undefined || ofPackage === undefined || !SCRIPTS.has(script) || !isAbsolute(folder)) return undefined
  const own = realPath(packageFile)
  if (own === undefined || realPath(ofPackage) !== own) return undefined
  // Whoever has changed the folder since then means paths from there.
  if (realPath(currentFolder) !== realPath(dirname(packageFile))) return undefined
  return realPath(folder) === undefined ? undefined : folder
}

function realPath(file: string): string | undefined {
  try {
    return realpathSync(file)
  } catch {
    return undefined
  }
}
