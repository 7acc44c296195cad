/**
 * Is what npm runs around `npm pack`: `node src/build/pack.ts before` builds, and lays the package's `package.json`
 * over that of the checkout, since npm packs no other file under that name; `node src/build/pack.ts after` puts the
 * checkout's back.
 *
 * The checkout's is kept beside it meanwhile. A pack that was interrupted leaves both, and the next one begins by
 * putting things right. Where somebody has edited `package.json` since, neither file is touched, and he is told what to
 * do.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packedManifest } from './packed-manifest.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MANIFEST = join(ROOT, 'package.json')
const KEPT = join(ROOT, 'package.json.before-pack')

const [when] = process.argv.slice(2)
try {
  if (existsSync(KEPT)) putBack()
  if (when === 'before') {
    for (const program of ['build.ts', 'declarations.ts'])
      execFileSync(process.execPath, [join(ROOT, 'src/build', program)], { stdio: 'inherit' })
    layOver()
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}

/** Nothing of the checkout's is lost at any moment: it is there under its own name, or under the other, or both. */
function layOver(): void {
  const text = readFileSync(MANIFEST, 'utf8')
  writeFileSync(KEPT, text, { flag: 'wx' })
  const unfinished = `${MANIFEST}.packed`
  writeFileSync(unfinished, packedManifest(text))
  renameSync(unfinished, MANIFEST)
}

function putBack(): void {
  const kept = readFileSync(KEPT, 'utf8')
  const current = readFileSync(MANIFEST, 'utf8')
  if (current === packedManifest(kept)) renameSync(KEPT, MANIFEST)
  else if (current === kept) rmSync(KEPT)
  else
    throw new Error(
      `package.json has been edited while it was that of the package. ${KEPT} is the checkout's as it was before: ` +
        'bring your edits over there, move it to package.json, and pack again.',
    )
}
