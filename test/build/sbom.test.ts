/** The bill of materials that a build writes: valid, and of what is in the build. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { npmPackage, WITHOUT_NPM_PACKAGES } from '../support/services/npm-packages.ts'

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly properties: ReadonlyArray<{ readonly name: string; readonly value: string }>
}

interface Sbom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: ReadonlyArray<{ readonly ref: string; readonly dependsOn: readonly string[] }>
}

const BUILD = fileURLToPath(new URL('../../src/build/build.ts', import.meta.url))
/** What the whole run tests, and one more. */
const folder = dirname(process.env.SALLYPORT_BUNDLE ?? '')
const again = mkdtempSync(join(tmpdir(), 'sallyport-sbom-'))
const text = () => readFileSync(join(folder, 'sallyport.cdx.json'), 'utf8')
const sbom = () => JSON.parse(text()) as Sbom
const names = () => sbom().components.map(({ name }) => name)

beforeAll(() => {
  execFileSync(process.execPath, [BUILD, again])
})
afterAll(() => {
  rmSync(again, { recursive: true, force: true })
})

test('two builds have the same bytes', () => {
  const built = readdirSync(folder)
  expect(built).toContain('sallyport.js')
  expect(readdirSync(again)).toEqual(built)
  // A source map says where the sources are, seen from its own folder. It is in no package and in no image.
  for (const file of built.filter(each => !each.endsWith('.map')))
    expect(readFileSync(join(again, file)).equals(readFileSync(join(folder, file))), file).toBe(true)
})

test.skipIf(WITHOUT_NPM_PACKAGES)('is valid by the schema of CycloneDX', async () => {
  const require = createRequire(import.meta.url)
  const { Spec, Validation } = require(npmPackage('@cyclonedx/cyclonedx-library'))
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6)
  expect(await validator.validate(text())).toBeNull()
  expect(await validator.validate(text().replace('"SHA-512"', '"SHA-513"'))).not.toBeNull()
})

test('is about this version, and has every dependency, whatever it needs, and nothing that is left out', () => {
  expect(sbom().metadata.component).toMatchObject({ name: 'sallyport', version: packageJson.version })
  const versions = sbom().components.map(({ name, version }) => `${name} ${version}`)
  for (const dependency of Object.entries(packageJson.dependencies)) expect(versions).toContain(dependency.join(' '))
  expect(names()).toEqual(expect.arrayContaining(['find-my-way', '@fastify/reply-from', 'sonic-boom']))
  for (const absent of ['undici', 'esbuild', 'typescript', '@opentelemetry/sdk-metrics'])
    expect(names()).not.toContain(absent)
})

test('says in which file each of them is', () => {
  const filesOf = (wanted: string) =>
    sbom()
      .components.find(({ name }) => name === wanted)
      ?.properties.map(({ value }) => value)
  expect(filesOf('fastify')).toEqual(['sallyport.js'])
  expect(filesOf('@opentelemetry/exporter-trace-otlp-http')).toEqual(['traces.js'])
})

test('names each of them once, and says who uses whom', () => {
  const refs = [sbom().metadata.component, ...sbom().components].map(component => component['bom-ref'])
  expect(new Set(refs).size).toBe(refs.length)
  expect(refs).toContain(`pkg:npm/%40fastify/http-proxy@${packageJson.dependencies['@fastify/http-proxy']}`)
  const uses = new Map(sbom().dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
  expect([...uses.keys()].toSorted()).toEqual(refs.toSorted())
  expect([...uses.values()].flat().filter(ref => !refs.includes(ref))).toEqual([])
  expect(uses.get(`pkg:npm/sallyport@${packageJson.version}`)).toContain(
    `pkg:npm/fastify@${packageJson.dependencies.fastify}`,
  )
})
