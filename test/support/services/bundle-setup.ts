/**
 * Runs once before all tests: bundles the program as a release does, for the tests that start it as a process of its
 * own. A bundle starts at a quarter of the processor time that the source takes, and there are hundreds of starts.
 *
 * It stands in a folder of its own, so that runs in one checkout do not meet, with what it looks for around it. Node
 * keeps what V8 has compiled beside it, as in the image: for the bundle, and for what the tests themselves import.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { keepCompiled } from '../../../src/build/compile-cache.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** Vitest calls it before the tests. */
export async function setup(project: TestProject): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bundled-'))
  // After the last test is too soon: workers add to the cache as they end.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const bundle = join(folder, 'dist/sallyport.js')
  for (const name of ['package.json', 'node_modules']) symlinkSync(join(ROOT, name), join(folder, name))
  build(bundle)
  process.env.SALLYPORT_BUNDLE = bundle
  process.env.NODE_COMPILE_CACHE = join(folder, 'compile-cache')
  await keepCompiled(bundle, process.env.NODE_COMPILE_CACHE)
  project.onTestsRerun(() => build(bundle))
}

function build(bundle: string): void {
  execFileSync(process.execPath, [join(ROOT, 'src/build/build.ts'), join(bundle, '..')])
}
