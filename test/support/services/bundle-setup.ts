/**
 * Runs once before all tests: bundles the program as a release does, for the tests that start it as a process of its
 * own. A bundle starts at a quarter of the processor time that the source takes, and there are hundreds of starts.
 *
 * It stands in a folder of its own, so that runs in one checkout do not meet, with what it looks for around it. Node
 * keeps what V8 has compiled beside it, as in the image: for the bundle, and for what the tests themselves import.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** Listens and asks for nothing. JSON is YAML. */
const WARM_UP = JSON.stringify({
  listen: '127.0.0.1:0',
  admin: { listen: '127.0.0.1:0' },
  upstreams: { app: 'http://127.0.0.1:1' },
  routes: [{ id: 'all', path: '/**', access: 'public' }],
})

/** Vitest calls it before the tests. */
export async function setup(project: TestProject): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bundled-'))
  // After the last test is too soon: workers add to the cache as they end.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const bundle = join(folder, 'dist/sallyport.js')
  const file = join(folder, 'sallyport.yaml')
  for (const name of ['package.json', 'node_modules']) symlinkSync(join(ROOT, name), join(folder, name))
  writeFileSync(file, WARM_UP)
  build(bundle)
  process.env.SALLYPORT_BUNDLE = bundle
  process.env.NODE_COMPILE_CACHE = join(folder, 'compile-cache')
  await warmUp(bundle, file)
  project.onTestsRerun(() => build(bundle))
}

function build(bundle: string): void {
  execFileSync(process.execPath, [join(ROOT, 'src/build/build.ts'), join(bundle, '..')])
}

/** Starts it once and lets it end by itself: only then does Node write down what V8 has compiled on the way. */
async function warmUp(bundle: string, file: string): Promise<void> {
  const child = spawn(process.execPath, [bundle, 'run', '-c', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  // It says when it listens, and when the first signal has reached it, which alone would let it wait for clients.
  for (let signals = 0; signals < 2; signals++) {
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
  }
  await once(child, 'close')
}
