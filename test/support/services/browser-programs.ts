/**
 * Says where the browser is that tests start, and gets it where it is missing: Chromium from Debian, in its edition
 * without windows. The whole Chromium without a window takes two to three times as long for the same pages.
 */
import { ensurePrograms } from '../../../bench/lib/programs.ts'

/** Vitest's set-up says so when the browser could not be had. */
export const WITHOUT_BROWSER = process.env.WITHOUT_BROWSER === '1'

/** The program to start. */
export const BROWSER_PROGRAM = '/usr/bin/chromium-headless-shell'

/** @throws {Error} with the command to type, when it cannot be had */
export async function ensureBrowserPrograms(): Promise<void> {
  await ensurePrograms({ [BROWSER_PROGRAM]: 'chromium-headless-shell', openssl: 'openssl' })
}
