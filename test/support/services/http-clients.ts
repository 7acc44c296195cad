/** Runs clients of HTTP that other people wrote, curl and h2load of nghttp2, and gets them where they are missing. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ensurePrograms } from '../../../bench/lib/programs.ts'

const exec = promisify(execFile)

/** Vitest's set-up says so when one of the programs could not be had. */
export const WITHOUT_HTTP_CLIENTS = process.env.WITHOUT_HTTP_CLIENTS === '1'

/** @throws {Error} with the command to type, when one of them cannot be had */
export function ensureHttpClients(): Promise<void> {
  return ensurePrograms({ curl: 'curl', h2load: 'nghttp2-client' })
}

/** @returns the answer as curl prints it: head, empty line, body */
export async function curl(...args: readonly string[]): Promise<string> {
  return (await exec('curl', ['--silent', '--show-error', '--noproxy', '*', '--include', ...args])).stdout
}

/** @returns what h2load says of all its requests: `status codes: 3000 2xx, 0 3xx, …` and more */
export async function h2load(...args: readonly string[]): Promise<string> {
  return (await exec('h2load', [...args])).stdout
}
