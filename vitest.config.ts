import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/services/program-setup.ts', 'test/support/services/bundle-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: one worker per core, each file in its own process so that no test sees another's sockets.
    pool: 'forks',
    maxWorkers: 2,
  },
})
