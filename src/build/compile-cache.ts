/**
 * Keeps what V8 compiles while the bundle starts, so that later starts find it: `node src/build/compile-cache.ts BUNDLE
 * FOLDER UID`, with the user who will start it, since Node keeps users apart by the names of their folders.
 *
 * The same bundle and the same Node give the same bytes. V8 writes down hashes of names, which it seeds by chance at
 * every start; here the seed is fixed. Who reads the cache has a seed of his own all the same, by which V8 hashes the
 * names anew.
 *
 * Breaks first: `test/build/compile-cache.test.ts`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Listens and asks for nothing. JSON is YAML. */
const WARM_UP = JSON.stringify({
  listen: '127.0.0.1:0',
  admin: { listen: '127.0.0.1:0' },
  upstreams: { app: 'http://127.0.0.1:1' },
  routes: [{ id: 'all', path: '/**', access: 'public' }],
})

if (import.meta.main) {
  const [bundle = '', folder = '', user = ''] = process.argv.slice(2)
  await keepCompiled(bundle, folder)
  for (const found of globSync('*-*', { cwd: folder })) {
    const own = join(folder, found.replace(/-\d+$/, `-${user}`))
    renameSync(join(folder, found), own)
    chmodSync(own, 0o755)
    for (const file of globSync('*', { cwd: own })) chmodSync(join(own, file), 0o444)
  }
}

/** Starts the bundle once and lets it end by itself: only then does Node write down what V8 has compiled on the way. */
export async function keepCompiled(bundle: string, folder: string): Promise<void> {
  const own = mkdtempSync(join(tmpdir(), 'sallyport-warm-up-'))
  const file = join(own, 'sallyport.yaml')
  writeFileSync(file, WARM_UP)
  const child = spawn(process.execPath, ['--random-seed=1', bundle, 'run', '-c', file], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // It says when it listens, and when the first signal has reached it, which alone would let it wait for clients.
  for (let signals = 0; signals < 2; signals++) {
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
  }
  await once(child, 'close')
  rmSync(own, { recursive: true, force: true })
}
