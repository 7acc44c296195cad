/**
 * Closes after each test what the test has started: call `atEnd` with the way to close a thing where it is started.
 *
 * An import registers the hook for the importing file alone, since vitest gives each file modules of its own. Do not
 * use it for what the tests of a file share: that would be closed after the first of them.
 */
import { afterEach } from 'vitest'

const closers: Array<() => unknown> = []

/** @param close called after the current test, before all that was registered earlier; a promise is awaited */
export function atEnd(close: () => unknown): void {
  closers.push(close)
}

afterEach(async () => {
  const failures: unknown[] = []
  // When closing one thing fails, the others must be closed nevertheless, before the next test.
  for (const close of closers.splice(0).reverse()) {
    try {
      await close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
})
