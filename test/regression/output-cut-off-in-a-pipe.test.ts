/**
 * What a command printed ended after 64 KiB when a pipe took it: the process ended before its reader had read more.
 *
 * Manifests that are cut off between two documents would be applied as if they were all.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../k8s/kustomize.ts'

test('a pipe gets all that a command prints', () => {
  const program = process.env.SALLYPORT_BUNDLE ?? join(ROOT, 'src/main.ts')
  // A shell reads its input byte by byte, so it is slower than any writer.
  const reader = `while IFS= read -r line; do printf '%s\\n' "$line"; done`
  const piped = execFileSync('sh', ['-c', `"$0" "$1" schema | ${reader}`, process.execPath, program], {
    encoding: 'utf8',
    maxBuffer: 10 * 1024 * 1024,
  })
  const schema = readFileSync(join(ROOT, 'config/sallyport.schema.json'), 'utf8')
  expect(schema.length).toBeGreaterThan(64 * 1024)
  expect(piped).toBe(schema)
})
