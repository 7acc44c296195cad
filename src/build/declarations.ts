/**
 * Writes the types of the package, `dist/types/`, for applications that import it: run by `npm run build`, or by
 * `node src/build/declarations.ts FOLDER` for another place.
 *
 * They are those of `src/library/declared.ts` and of the few files that it names. There the files name one another by
 * `.js`, so that they can be read without any option of the compiler.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ENTRY = 'library/declared'
const OWN_IMPORT = /((?:from|import\()\s*')(\.[^']+)\.ts(')/g

const target = resolve(process.argv[2] ?? join(ROOT, 'dist'), 'types')
const made = mkdtempSync(join(tmpdir(), 'sallyport-types-'))
try {
  compile(made)
  rmSync(target, { recursive: true, force: true })
  for (const file of reachable(join(made, `${ENTRY}.d.ts`))) {
    const written = join(target, relative(made, file))
    mkdirSync(dirname(written), { recursive: true })
    writeFileSync(written, readFileSync(file, 'utf8').replace(OWN_IMPORT, '$1$2.js$3'))
  }
} finally {
  rmSync(made, { recursive: true, force: true })
}

function compile(outDir: string): void {
  const config = join(outDir, 'tsconfig.json')
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: join(ROOT, 'src'),
    outDir,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  }
  const project = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions,
    files: [join(ROOT, `src/${ENTRY}.ts`)],
    include: [],
  }
  writeFileSync(config, JSON.stringify(project))
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config], { stdio: 'inherit' })
}

function reachable(entry: string): ReadonlySet<string> {
  const files = new Set([entry])
  // The iteration of a Set also visits what is added on the way.
  for (const file of files)
    for (const [, , path = ''] of readFileSync(file, 'utf8').matchAll(OWN_IMPORT))
      files.add(join(dirname(file), `${path}.d.ts`))
  return files
}
