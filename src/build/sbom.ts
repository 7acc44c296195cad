/**
 * Writes down what a build contains, for those who have to know whether a vulnerability concerns them: a bill of
 * materials as CycloneDX 1.6 has it (ECMA-424), in JSON.
 *
 * It lists what is in the files of the build, and not what is installed to make them: `npm sbom` and
 * `@cyclonedx/cyclonedx-npm` read the tree that is installed, name packages of which no byte is in the bundle, and
 * cannot know of a development dependency that is. The same build has the same text: there is no time and no serial
 * number in it. Node and the base of an image are not in it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BundledPackage, OURSELVES } from './bundled.ts'

/** What `package-lock.json` says of a package. */
interface Locked {
  /** `sha512-` and the hash of the archive in the registry, in base64. */
  readonly integrity?: string
}

/**
 * @param root folder of the project
 * @param packages of {@link bundledPackages}, ourselves included
 * @throws {Error} the lock file has no hash of one of them
 */
export function sbom(root: string, packages: readonly BundledPackage[]): string {
  const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'))
  const lock = read('package-lock.json') as { readonly packages: Readonly<Record<string, Locked>> }
  const purls = new Map(packages.map(each => [each.folder, purl(each)]))
  // One version of a package may be installed in two places, and is one package all the same.
  const merged = [...Map.groupBy(packages, purl)].flatMap(([, [first, ...copies]]) =>
    first === undefined ? [] : [copies.reduce(withCopy, first)],
  )
  const dependencies = merged
    .map(each => ({ ref: purl(each), dependsOn: [...new Set(each.uses.map(used => purls.get(used)))].toSorted() }))
    .toSorted((a, b) => a.ref.localeCompare(b.ref, 'en'))
  const ourselves = merged.filter(({ folder }) => folder === OURSELVES)
  const others = merged.filter(({ folder }) => folder !== OURSELVES)
  const [application] = ourselves.map(each => ({ type: 'application', ...component(each) }))
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: { lifecycles: [{ phase: 'build' }], component: application },
      components: others.map(each => ({
        type: 'library',
        ...component(each),
        hashes: [{ alg: 'SHA-512', content: sha512(each, lock.packages[each.folder]) }],
      })),
      dependencies,
      compositions: [{ aggregate: 'complete', assemblies: ourselves.map(purl), dependencies: ourselves.map(purl) }],
    },
    undefined,
    2,
  )}\n`
}

function withCopy(each: BundledPackage, copy: BundledPackage): BundledPackage {
  const files = [...new Set([...each.files, ...copy.files])].toSorted()
  return { ...each, files, uses: [...each.uses, ...copy.uses] }
}

function component(each: BundledPackage) {
  return {
    'bom-ref': purl(each),
    name: each.name,
    version: each.version,
    licenses: [/\s/.test(each.license) ? { expression: each.license } : { license: { id: each.license } }],
    purl: purl(each),
    properties: each.files.map(file => ({ name: 'sallyport:file', value: file })),
  }
}

/** How package URLs spell a package of npm: the `@` of a scope is escaped, the slash behind it is not. */
function purl({ name, version }: BundledPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

function sha512({ name, folder }: BundledPackage, locked: Locked | undefined): string {
  const [, base64] = /^sha512-(\S+)$/.exec(locked?.integrity ?? '') ?? []
  if (base64 === undefined) throw new Error(`package-lock.json has no SHA-512 of ${name} at ${folder}; run npm install`)
  return Buffer.from(base64, 'base64').toString('hex')
}
