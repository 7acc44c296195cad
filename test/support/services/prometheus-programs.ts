/** Says whether Prometheus is there for tests, and gets it from Debian where it is missing. */
import { ensurePrograms } from '../../../bench/lib/programs.ts'

/** Vitest's set-up says so when it could not be had. */
export const WITHOUT_PROMETHEUS = process.env.WITHOUT_PROMETHEUS === '1'

/** @throws {Error} with the command to type, when it cannot be had */
export async function ensurePrometheus(): Promise<void> {
  await ensurePrograms({ prometheus: 'prometheus', promtool: 'prometheus' })
}
