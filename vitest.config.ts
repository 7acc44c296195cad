import { defineConfig } from 'vitest/config'

/**
 * Files here are pure, or close what they open: they change nothing of their process that another file could notice. So
 * they take turns in one process, and import the sources once. That takes half the processor time, since most files
 * import more than they run. A file that changes its process belongs elsewhere.
 */
const TOGETHER = [
  ...['authenticate', 'authorize', 'condition', 'config', 'decision', 'identity', 'keys', 'lib', 'limit', 'mcp'],
  ...['oauth', 'refusal', 'rfc', 'route', 'signing'],
].map(folder => `test/${folder}/**/*.test.ts`)

export default defineConfig({
  test: {
    globalSetup: ['test/support/services/program-setup.ts', 'test/support/services/bundle-setup.ts'],
    // What a module registers when it is imported is registered once for all files of a shared process; a set-up file
    // runs in each of them.
    setupFiles: ['test/support/at-end-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What a test waits for comes when it comes. One second, as is usual, is too short on a busy machine, and what does
    // not come fails in any case.
    expect: { poll: { timeout: 25_000 } },
    pool: 'forks',
    // Two cores: one worker per core. With three, thousands of connections in one file take longer than they may.
    maxWorkers: 2,
    projects: [
      // Each file has a process of its own, so that no test sees another's sockets.
      { extends: true, test: { name: 'apart', include: ['test/**/*.test.ts'], exclude: TOGETHER } },
      { extends: true, test: { name: 'together', include: TOGETHER, isolate: false } },
    ],
  },
})
