import { defineConfig } from 'vitest/config'

/**
 * Files here close what they open, and change nothing of their process that another file could notice. So they take
 * turns in one process, and import the sources once. That takes half the processor time, since most files import more
 * than they run.
 */
const TOGETHER = [
  ...['admin', 'authenticate', 'authorize', 'condition', 'config', 'decision', 'docs', 'downstream', 'egress'],
  ...['forward', 'identity', 'k8s', 'keys', 'lib', 'library', 'limit', 'mcp', 'oauth', 'raw', 'refusal', 'regression'],
  ...['revocation', 'rfc', 'route', 'signing', 'store', 'telemetry', 'token-exchange', 'tools', 'upstream'],
].map(folder => `test/${folder}/**/*.test.ts`)

/**
 * These look at what their process as a whole does, such as its memory, timers or warnings, or take all of the machine,
 * with thousands of connections.
 */
const OF_THEIR_OWN = [
  'test/downstream/{drain,http2-drain,http2-flow-control,overload}.test.ts',
  'test/forward/{forwarding-streams,paused-answers,tunnel,whole-body}.test.ts',
  'test/raw/load.test.ts',
  'test/regression/refusals-keep-nothing.test.ts',
  'test/revocation/table.test.ts',
  'test/telemetry/traces/*.test.ts',
  'test/upstream/http2-endings.test.ts',
]

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
    // Two cores: one worker per core. With three, what a test waits for takes longer than it may.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'apart',
          include: [...OF_THEIR_OWN, 'test/*.test.ts', 'test/{build,cli,demo,e2e,fuzz,node,run,session}/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: TOGETHER,
          exclude: OF_THEIR_OWN,
          isolate: false,
        },
      },
    ],
  },
})
