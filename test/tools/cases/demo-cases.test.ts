/** Tests the cases that ship with the demo: they are the first that a user sees, so they must be right and complete. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testCommand } from '../../../src/cli/test.ts'
import { runCommand } from '../../support/gateway/command.ts'

test('the cases of config/tests/demo.yaml hold, and leave no line of the policy untested', async () => {
  const file = fileURLToPath(new URL('../../../config/tests/demo.yaml', import.meta.url))
  const { code, stdout } = await runCommand(testCommand, [file, '--min-coverage', '100'])
  expect(stdout).not.toContain('FAIL')
  expect(stdout).not.toContain('Never tested')
  expect(code).toBe(0)
})
