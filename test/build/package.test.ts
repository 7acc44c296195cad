/**
 * Packs the project as in a fresh clone and holds the package to what it promises: these files and no other, documents
 * whose links lead somewhere, nothing further to install, and a checkout that is as it was.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { packedManifest } from '../../src/build/packed-manifest.ts'
import { DOCUMENTS, documentAt, isInternal, README, targetOf } from '../docs/markdown.ts'
import { type Clone, cloned, installed } from '../support/services/packed.ts'

let clone: Clone
let before: readonly string[]
let tarball: string
let folder: string
let files: readonly string[]
const inPackage = (path: string): string => join(folder, 'node_modules/sallyport', path)
const readManifest = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>

beforeAll(() => {
  clone = cloned()
  before = readdirSync(clone.folder)
  tarball = clone.pack()
  folder = installed(tarball)
  files = globSync('**/*', { cwd: inPackage(''), withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(inPackage(''), join(entry.parentPath, entry.name)))
    .toSorted()
})
afterAll(() => {
  clone.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** `vitest run test/build/package.test.ts -u` takes up what has come and gone; look at the difference. */
test('it holds the files of test/build/packed-files.txt, and no other', async () => {
  await expect(`${files.join('\n')}\n`).toMatchFileSnapshot('packed-files.txt')
})

describe('its documents', () => {
  const packedDocuments = () => DOCUMENTS.filter(({ path }) => files.includes(path))
  const isPacked = (path: string): boolean => files.some(file => file === path || file.startsWith(`${path}/`))
  const brokenLinks = (path: string): readonly string[] =>
    documentAt(path)
      .links.filter(isInternal)
      .map(link => targetOf(documentAt(path), link).path)
      .filter(target => !isPacked(target.replace(/\/$/, '')))

  test('are all that README.md links to, and every link of it works', () => {
    expect(brokenLinks(README.path)).toEqual([])
  })

  /** Of those who change Sallyport: they name its sources and tests, which nobody has who has the package. */
  const ABOUT_SOURCES = ['CONTRIBUTING.md', 'SECURITY.md', 'src/README.md']

  test('have no other link that leads nowhere, except into sources and tests, where a document is about those', () => {
    const broken = packedDocuments()
      .map(({ path }) => ({ path, links: brokenLinks(path) }))
      .filter(({ links }) => links.length > 0)
    expect(broken.map(({ path }) => path).toSorted()).toEqual(ABOUT_SOURCES)
    expect(broken.flatMap(({ links }) => links).filter(link => !/^(?:src|test)\//.test(link))).toEqual([])
  })

  test.each(ABOUT_SOURCES)('%s says that these are in the repository only', path => {
    expect(documentAt(path).text).toMatch(/are in the repository, not in the\spackage/)
  })
})

describe('its package.json', () => {
  test('asks for nothing but a Fastify, for those who have one', () => {
    const manifest = readManifest(inPackage('package.json'))
    for (const key of ['dependencies', 'devDependencies', 'optionalDependencies', 'allowScripts'])
      expect(manifest, key).not.toHaveProperty(key)
    expect(manifest).toMatchObject({
      peerDependencies: { fastify: `^${packageJson.dependencies.fastify}` },
      peerDependenciesMeta: { fastify: { optional: true } },
    })
    expect(readdirSync(join(folder, 'node_modules')).filter(name => !name.startsWith('.'))).toEqual(['sallyport'])
  })

  test('runs nothing when it is installed', () => {
    expect(Object.keys(readManifest(inPackage('package.json')).scripts ?? {})).toEqual(['prepack', 'postpack'])
  })

  test('has the rest of the checkout’s', () => {
    const { dependencies, devDependencies, allowScripts, scripts, ...rest } = packageJson
    expect(readManifest(inPackage('package.json'))).toMatchObject(rest)
  })

  test('lets nobody publish it by mistake', () => {
    expect(packageJson.private).toBe(true)
    expect(readManifest(inPackage('package.json')).private).toBe(true)
  })
})

describe('the checkout', () => {
  const manifest = () => join(clone.folder, 'package.json')
  const kept = () => join(clone.folder, 'package.json.before-pack')
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const made = () => readdirSync(clone.folder).filter(name => !before.includes(name))
  const pack = (when: 'before' | 'after') =>
    spawnSync(process.execPath, [join(clone.folder, 'src/build/pack.ts'), when], { encoding: 'utf8' })

  test('has the build and the package after npm pack, and is as it was besides', () => {
    expect(made()).toEqual(['dist', `sallyport-${packageJson.version}.tgz`])
    expect(readFileSync(manifest(), 'utf8')).toBe(text)
  })

  test('is put right by the next npm pack after one that was interrupted, and that packs the same', () => {
    const first = readFileSync(tarball)
    writeFileSync(kept(), text)
    writeFileSync(manifest(), packedManifest(text))
    expect(readFileSync(clone.pack()).equals(first)).toBe(true)
    expect(readFileSync(manifest(), 'utf8')).toBe(text)
    expect(made()).not.toContain('package.json.before-pack')
  })

  test('keeps what somebody has edited meanwhile, and says what to do', () => {
    writeFileSync(kept(), text)
    writeFileSync(manifest(), '{ "name": "edited" }')
    for (const when of ['after', 'before'] as const) {
      const { status, stderr } = pack(when)
      expect(status).toBe(1)
      expect(stderr).toContain(`package.json has been edited while it was that of the package. ${kept()} is`)
    }
    expect(readFileSync(manifest(), 'utf8')).toBe('{ "name": "edited" }')
    expect(readFileSync(kept(), 'utf8')).toBe(text)
    writeFileSync(manifest(), text)
    expect(pack('after').status).toBe(0)
    expect(made()).not.toContain('package.json.before-pack')
  })
})

test('every package whose install scripts may or may not run is named, since npm’s warnings are off', () => {
  const lock = readFileSync(join(clone.folder, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(lock) as { packages: Record<string, { hasInstallScript?: true }> }
  const withScripts = Object.keys(packages).filter(path => packages[path]?.hasInstallScript === true)
  expect(withScripts.map(path => path.replace(/^.*node_modules\//, '')).toSorted()).toEqual(
    Object.keys(packageJson.allowScripts).toSorted(),
  )
})
