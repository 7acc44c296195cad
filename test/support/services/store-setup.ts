/**
 * Runs once before all tests: sees to the servers of the store. Where they cannot be had, the run fails under CI;
 * elsewhere the tests that need them are skipped, and the run ends with what to type.
 */
import { ensureStorePrograms } from './store-programs.ts'

/** Vitest calls it before the tests, and what it returns after them. */
export async function setup(): Promise<(() => void) | undefined> {
  try {
    await ensureStorePrograms()
    return undefined
  } catch (error) {
    if (process.env.CI !== undefined && process.env.CI !== 'false') throw error
    process.env.WITHOUT_STORES = '1'
    return () => {
      console.error(`\nNOT RUN: every test that needs redis-server and valkey-server.\n${(error as Error).message}\n`)
    }
  }
}
