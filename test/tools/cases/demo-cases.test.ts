/** Tests the cases that ship with examples: they are the first that a user sees, so they must be right and complete. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testCommand } from '../../../src/cli/test.ts'
import { runCommand } from '../../support/gateway/command.ts'

const CASES = new URL('../../../config/tests/', import.meta.url)

test.each(readdirSync(CASES))(
  'the cases of config/tests/%s hold, and leave no line of the policy untested',
  async name => {
    const file = fileURLToPath(new URL(name, CASES))
    const { code, stdout } = await runCommand(testCommand, [file, '--no-files', '--min-coverage', '100'])
    expect(stdout).not.toContain('FAIL')
    expect(stdout).not.toContain('Never tested')
    expect(code).toBe(0)
  },
)
