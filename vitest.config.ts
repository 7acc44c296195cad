import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/services/program-setup.ts', 'test/support/services/bundle-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What a test waits for comes when it comes. One second, as is usual, is too short on a busy machine, and what does
    // not come fails in any case.
    expect: { poll: { timeout: 25_000 } },
    // Each file has a process of its own, so that no test sees another's sockets. Many tests wait for a process, a
    // browser or a store, so that two workers leave two cores idle in turn, and three do not.
    pool: 'forks',
    maxWorkers: 3,
  },
})
