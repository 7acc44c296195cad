/**
 * Ends with a test what the test has begun: a test registers how to close each thing where it starts it.
 *
 * Importing this registers the hook for the importing file alone, since vitest gives each file modules of its own. What
 * all tests of a file share does not belong here: it would be gone after the first of them.
 */
import { afterEach } from 'vitest'

const closers: Array<() => unknown> = []

/** @param close called after the current test, before all that was registered earlier; a promise is awaited */
export function atEnd(close: () => unknown): void {
  closers.push(close)
}

afterEach(async () => {
  const failures: unknown[] = []
  // One that fails must not leave the rest open to later tests.
  for (const close of closers.splice(0).reverse()) {
    try {
      await close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
})
