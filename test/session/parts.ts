/** What seals the sessions of tests, also for processes that no test runner has started. */
export const SECRET = Buffer.alloc(32, 's')
