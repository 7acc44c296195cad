/**
 * Checks manifests against the schemas of Kubernetes, of the Prometheus Operator and of the Gateway API.
 *
 * kubernetes-models has them twice: as validators, which know formats, lists and what is required but ignore a field
 * that they do not know; and as types, with which the TypeScript compiler refuses exactly that.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, ROOT } from './kustomize.ts'

/** @returns one line each; empty when all is well */
export async function schemaProblems(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const invalid = await Promise.all(manifests.map(validationProblems))
  return [...invalid.flat(), ...unknownFields(manifests)]
}

/** Where the model of a manifest is: `kubernetes-models/apps/v1/Deployment`. */
function modelPath({ apiVersion, kind }: Manifest): string {
  const [group = ''] = apiVersion.split('/')
  return `${ELSEWHERE.get(group) ?? 'kubernetes-models'}/${apiVersion}/${kind}`
}

/** Groups that are no part of Kubernetes, and whose models have a package of their own. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['monitoring.coreos.com', '@kubernetes-models/prometheus-operator'],
  ['gateway.networking.k8s.io', '@kubernetes-models/gateway-api'],
])

async function validationProblems(manifest: Manifest): Promise<readonly string[]> {
  const module = (await import(modelPath(manifest))) as Record<string, new (data: unknown) => { validate(): void }>
  const Model = module[manifest.kind]
  if (Model === undefined) return [`${modelPath(manifest)} is unknown`]
  try {
    new Model(manifest).validate()
    return []
  } catch (error) {
    return [`${manifest.kind} ${manifest.metadata.name}: ${error}`]
  }
}

/** Each manifest becomes an object literal of its type: a member that the type lacks does not compile. */
function unknownFields(manifests: readonly Manifest[]): readonly string[] {
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'manifests-'))
  const source = manifests.map((manifest, index) => {
    const type = `I${manifest.kind}`
    return `import type { ${type} as T${index} } from '${modelPath(manifest)}'
${JSON.stringify(manifest, undefined, 1)} satisfies T${index}
`
  })
  writeFileSync(
    join(folder, 'manifests.ts'),
    source.map(text => text.replace(/\n\{/, '\n;({').replace(/\n\} satisfies/, '\n}) satisfies')).join(''),
  )
  try {
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--ignoreConfig',
      '--target',
      'esnext',
      '--module',
      'nodenext',
      '--types',
      '',
    ]
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, 'manifests.ts'], { cwd: folder, encoding: 'utf8' })
    return []
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
