/**
 * Closes after each test what the test has started: call `atEnd` with the way to close a thing where it is started.
 *
 * `at-end-setup.ts` registers the hook in each file, also where files share their modules and only the first of them
 * would run an import. Do not use it for what the tests of a file share: that would be closed after the first of them.
 */
const closers: Array<() => unknown> = []

/** @param close called after the current test, before all that was registered earlier; a promise is awaited */
export function atEnd(close: () => unknown): void {
  closers.push(close)
}

/** Closes all that was registered. @throws the first of the failures to close something */
export async function closeAll(): Promise<void> {
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
}
