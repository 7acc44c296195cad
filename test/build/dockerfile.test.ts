/** What can be said of the image without building it; `test/build/check-image.ts` builds and runs it. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { named, render } from '../k8s/kustomize.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Instructions in order, continued lines joined, comments left out. */
const instructions = readFileSync(`${ROOT}Dockerfile`, 'utf8')
  .replaceAll(/^\s*#.*\n/gm, '')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter(line => line.trim() !== '')
  .map(line => /^(\S+)\s+(.*)$/.exec(line) ?? [])
  .map(([, name = '', rest = '']) => ({ name, rest }))
const runtime = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))

function only(name: string): string {
  const found = runtime.filter(instruction => instruction.name === name)
  expect(found, name).toHaveLength(1)
  return found[0]?.rest ?? ''
}

test('every stage starts from an argument, so that it can be pinned', () => {
  const stages = instructions.filter(({ name }) => name === 'FROM')
  expect(stages.map(({ rest }) => rest)).toEqual([
    expect.stringMatching(/^\$\{NODE_IMAGE\} AS build$/),
    'build AS demo',
    expect.stringMatching(/^\$\{BASE_IMAGE\} AS try$/),
    expect.stringMatching(/^\$\{BASE_IMAGE\}$/),
  ])
})

test('what runs needs no shell, and brings only what was built', () => {
  expect(runtime.map(({ name }) => name)).not.toContain('RUN')
  expect(only('COPY')).toBe('--from=build /app /app')
  for (const name of ['ENTRYPOINT', 'CMD']) expect(JSON.parse(only(name))).toBeInstanceOf(Array)
})

test('the embedded issuer is in the image for trying, and in no other', () => {
  const copies = instructions.filter(({ name, rest }) => name === 'COPY' && rest.includes('dev.js'))
  expect(copies.map(({ rest }) => rest)).toEqual(['--from=demo /try/dev.js /app/dist/dev.js'])
  expect(runtime.some(({ rest }) => rest.includes('dev.js'))).toBe(false)
  const builds = instructions.filter(({ name, rest }) => name === 'RUN' && rest.includes('src/build/build.ts'))
  expect(builds[0]?.rest).toContain('src/build/build.ts /app/dist --server ')
})

test('the printed `docker run` fits it: its user needs no right to write, and its ports and folder are those of it', () => {
  const [line = ''] = /docker run .*/.exec(readFileSync(`${ROOT}Dockerfile`, 'utf8')) ?? []
  const [, folder = ''] = /-v \.\/config:([^:]+):ro/.exec(line) ?? []
  expect(JSON.parse(only('CMD')).at(-1)).toBe(`${folder}/sallyport.yaml`)
  const [, published = '', own = ''] = /-p (\d+):(\d+)/.exec(line) ?? []
  expect(only('EXPOSE').split(' ')).toContain(own)
  expect(published).toBe(own)
  expect(line).toMatch(/--read-only --memory=128m --cap-drop=ALL .* sallyport$/)
})

test('its user is the one that the manifests name, its arguments, ports and signal are what they expect', () => {
  const deployment = named(render('k8s/base'), 'Deployment', 'orders') as unknown as {
    spec: {
      template: {
        spec: {
          initContainers: Array<{
            args: string[]
            ports: Array<{ containerPort: number }>
            securityContext: { runAsUser: number; runAsGroup: number }
          }>
        }
      }
    }
  }
  const [gateway] = deployment.spec.template.spec.initContainers
  const { runAsUser, runAsGroup } = gateway?.securityContext ?? {}
  expect(only('USER')).toBe(`${runAsUser}:${runAsGroup}`)
  expect(only('EXPOSE')).toBe(gateway?.ports.map(({ containerPort }) => containerPort).join(' '))
  expect(JSON.parse(only('CMD'))).toEqual(gateway?.args)
  expect(only('STOPSIGNAL')).toBe('SIGTERM')
})

test('it is of the version of package.json, and has the labels of OCI and where its bill of materials is', () => {
  const { version, description } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  expect(runtime.filter(({ name }) => name === 'ARG').map(({ rest }) => rest)).toContain(`VERSION=${version}`)
  const labels = new Map([...only('LABEL').matchAll(/([\w.]+)="([^"]*)"/g)].map(([, key = '', value]) => [key, value]))
  expect([...labels.keys()].filter(key => !key.startsWith('org.opencontainers.image.'))).toEqual(['sallyport.sbom'])
  expect(labels.get('org.opencontainers.image.description')).toBe(description)
  expect(labels.get('org.opencontainers.image.revision')).toBe(`\${REVISION}`)
  expect(labels.get('org.opencontainers.image.base.name')).toBe(`\${BASE_IMAGE}`)
  expect(labels.get('sallyport.sbom')).toBe('/app/dist/sallyport.cdx.json')
})

test('what V8 has compiled is kept for the user who runs it', () => {
  const [user] = only('USER').split(':')
  const kept = instructions.filter(({ rest }) => rest.includes('src/build/compile-cache.ts'))
  expect(kept.map(({ rest }) => rest)).toEqual([
    expect.stringContaining(`src/build/compile-cache.ts /app/dist/sallyport.js /app/compile-cache ${user} `),
  ])
})

test('what is copied exists and passes .dockerignore, which lets nothing else in', () => {
  const rules = readFileSync(`${ROOT}.dockerignore`, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  expect(rules[0]).toBe('*')
  const allowed = rules.slice(1).map(rule => rule.replace(/^!/, ''))
  const copied = instructions
    .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1))
  expect(copied.toSorted()).toEqual(allowed.toSorted())
  for (const path of copied) expect(existsSync(ROOT + path), path).toBe(true)
})
