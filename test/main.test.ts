/** Tests the edge of the process. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('nothing of a long output is lost when its reader is slow', () => {
  const bundle = process.env.SALLYPORT_BUNDLE ?? ''
  // A byte at a time: a pipe holds 64 KiB, and the rest is still to come when the command is done.
  const count = `"${process.execPath}" "${bundle}" schema | dd bs=1 2>/dev/null | wc -c`
  const whole = execFileSync(process.execPath, [bundle, 'schema'], { encoding: 'buffer', maxBuffer: 2 ** 24 })
  expect(whole.length).toBeGreaterThan(100_000)
  expect(Number(execFileSync('sh', ['-c', count], { encoding: 'utf8' }))).toBe(whole.length)
})
