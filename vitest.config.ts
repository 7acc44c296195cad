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
    // Two cores: one worker per core, each file in its own process so that no test sees another's sockets.
    pool: 'forks',
    maxWorkers: 2,
  },
})
