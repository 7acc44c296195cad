/**
 * Bundles the command into one file, `dist/sallyport.js`, and into others beside it what only gateways with traces
 * need, what only `sallyport dev` does, and what applications import, `dist/index.js`. With them comes what belongs to
 * a build: licences, a bill of materials, and `cli.cjs`, which starts the command or says that Node is too old. It is
 * run by `npm run build`, or by `node src/build/build.ts FOLDER` for another place; `--server` leaves out what does not
 * belong on a server. Two builds of the same source and the same packages have the same bytes.
 *
 * One file starts faster than a thousand and needs no `node_modules` beside it. It does need `package.json` one folder
 * up, which says that the file is an ES module, and which version it is. Names are kept, so that a stack trace can be
 * read; the source map is for `node --enable-source-maps`.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BundledPackage, bundledPackages, OURSELVES } from './bundled.ts'
import { DEV_ENTRY, devApart } from './dev-apart.ts'
import { conditionsLater, lazyBuiltins, noUndici, tracesApart } from './leaner.ts'
import { ownLicence } from './own-licence.ts'
import { sbom } from './sbom.ts'
import { texts } from './texts.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const [named, ...options] = process.argv.slice(2)
const folder = resolve(named ?? join(ROOT, 'dist'))
const isForServer = options.includes('--server')
// Before anything is written: a build without its licence must not be passed on.
const licenceText = ownLicence(ROOT)

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: [
    { in: 'src/main.ts', out: 'sallyport' },
    { in: 'src/telemetry/traces/sdk.ts', out: 'traces' },
    // What applications import. Fastify is theirs, and nothing of it gets in here.
    ...(isForServer ? [] : [DEV_ENTRY, { in: 'src/library/index.ts', out: 'index' }]),
  ],
  outdir: folder,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // CommonJS packages load Node's own modules with `require`, which an ES module does not have.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
  sourcemap: true,
  sourcesContent: false,
  // The text of a program is parsed at every start and stays in memory. Without comments and indentation it is a third
  // shorter; and where it has no character beyond Latin-1, V8 keeps one byte of each and not two.
  minifyWhitespace: true,
  legalComments: 'none',
  lineLimit: 120,
  plugins: [lazyBuiltins, noUndici, tracesApart, devApart, conditionsLater, texts],
  metafile: true,
  logLevel: 'warning',
})

const packages = bundledPackages(ROOT, metafile)
writeFileSync(join(folder, 'LICENSE'), licenceText)
writeFileSync(join(folder, 'LICENSES.txt'), licences(packages))
writeFileSync(join(folder, 'sallyport.cdx.json'), sbom(ROOT, packages))
// An image has the Node that it needs, and calls the command itself.
if (!isForServer) copyFileSync(join(ROOT, 'src/build/launcher.cjs'), join(folder, 'cli.cjs'))

/** Collects the licences of what is bundled, since most of them ask to be passed on. */
function licences(all: readonly BundledPackage[]): string {
  return all
    .filter(({ folder }) => folder !== OURSELVES)
    .map(licence)
    .join('\n')
}

function licence({ name, version, license, folder: installed }: BundledPackage): string {
  const path = join(ROOT, installed)
  const files = readdirSync(path).filter(file => /^(?:licen[cs]e|notice|copying)/i.test(file))
  const texts = files.toSorted().map(file => readFileSync(join(path, file), 'utf8').trim())
  return [`${'-'.repeat(80)}\n${name} ${version} (${license})\n`, ...texts, ''].join('\n')
}
