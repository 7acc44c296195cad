/** Holds what `npm pack` puts into the package: the program with its licences, and the documents, but no tests. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { isInternal, README, ROOT, targetOf } from '../docs/markdown.ts'

const packed = packedFiles()

test('the package holds every document and file that README.md links to', () => {
  const linked = README.links.filter(isInternal).map(link => targetOf(README, link).path)
  expect(linked.filter(path => !packed.has(path))).toEqual([])
})

test('it holds no test, no result of a benchmark and no source', () => {
  expect([...packed].filter(path => /^(?:test|bench\/(?!README)|src\/.*\.ts)/.test(path))).toEqual([])
})

test('it is built before it is packed, and takes the program and its licences of the build', () => {
  const { files, scripts } = packageJson
  expect(scripts.prepack).toBe('npm run build')
  expect(files.filter(file => file.startsWith('dist'))).toEqual([
    'dist/sallyport.js',
    'dist/traces.js',
    'dist/dev.js',
    'dist/LICENSE',
    'dist/LICENSES.txt',
  ])
})

test('every other entry of `files` exists', () => {
  const others = packageJson.files.filter(file => !file.startsWith('dist'))
  expect(others.filter(file => !existsSync(new URL(file, ROOT)))).toEqual([])
})

test('it cannot be published by mistake', () => {
  expect(packageJson.private).toBe(true)
})

/** Lists the files of the package. Nothing is built for that, so those of a build need not be among them. */
function packedFiles(): ReadonlySet<string> {
  const json = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: fileURLToPath(ROOT),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ files } = { files: [] }] = JSON.parse(json) as ReadonlyArray<{
    readonly files: ReadonlyArray<{ readonly path: string }>
  }>
  return new Set(files.map(({ path }) => path))
}
