/** Says whether the shells are there in which commands are completed, and gets those from Debian that are missing. */
import { ensurePrograms } from '../../../bench/lib/programs.ts'

/** Vitest's set-up says so when they could not be had. */
export const WITHOUT_SHELLS = process.env.WITHOUT_SHELLS === '1'

/** @throws {Error} with the command to type, when one cannot be had */
export async function ensureShells(): Promise<void> {
  await ensurePrograms({ zsh: 'zsh', fish: 'fish' })
}
