/** The component that brings the sidecar: whom it gets, where Services lead, and that nobody is left out in silence. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { binary } from './binaries.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-component-')))
afterAll(() => rmSync(folder, { recursive: true }))

interface Labelled {
  readonly kind: string
  /** Left out: the object says nothing. */
  readonly says?: string
  /** What its pods say; left out: nothing. */
  readonly podSays?: string
}

const SERVICE_PORT = { name: 'http', port: 80, targetPort: 'http' }

function workload({ kind, says, podSays }: Labelled): object {
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'orders', labels: { app: 'orders', ...(says && { sallyport: says }) } },
    spec: {
      selector: { matchLabels: { app: 'orders' } },
      template: {
        metadata: { labels: { app: 'orders', ...(podSays && { sallyport: podSays }) } },
        spec: { containers: [{ name: 'orders', image: 'orders' }] },
      },
    },
  }
}

function service(says: string | undefined, ports: readonly object[] = [SERVICE_PORT]): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders', labels: { app: 'orders', ...(says && { sallyport: says }) } },
    spec: { selector: { app: 'orders' }, ports },
  }
}

function write(manifests: readonly object[]): void {
  writeFileSync(join(folder, 'resources.yaml'), manifests.map(manifest => stringify(manifest)).join('---\n'))
  const components = [relative(folder, join(ROOT, 'k8s/components/sidecar'))]
  writeFileSync(join(folder, 'kustomization.yaml'), stringify({ resources: ['resources.yaml'], components }))
}

function rendered(...manifests: readonly object[]): readonly Manifest[] {
  write(manifests)
  return render(folder)
}

/** @returns what kubectl says when it fails */
function complaint(...manifests: readonly object[]): string {
  write(manifests)
  try {
    execFileSync(binary('kubectl'), ['kustomize', folder], { encoding: 'utf8', stdio: 'pipe' })
    return 'nothing'
  } catch (error) {
    return (error as { stderr: string }).stderr
  }
}

function gatewaysOf(manifest: Manifest): unknown {
  const { template } = manifest.spec as { template: { spec: { initContainers?: Array<{ name: string }> } } }
  return template.spec.initContainers?.map(({ name }) => name)
}

describe('a workload that asks for the gateway', () => {
  test.each(['Deployment', 'StatefulSet', 'DaemonSet'])('gets it: %s', kind => {
    const [manifest] = rendered(workload({ kind, says: 'sidecar' }))
    expect(manifest && gatewaysOf(manifest)).toEqual(['sallyport'])
  })

  test('and cannot get it is refused with another way', () => {
    expect(complaint(workload({ kind: 'ReplicaSet', says: 'sidecar' }))).toContain(
      'for other kinds use `sallyport inject`',
    )
  })
})

describe('a workload that does not ask for it', () => {
  test('stays as it is when it says so', () => {
    const manifests = rendered(workload({ kind: 'Deployment', says: 'none' }), service('none'))
    expect(gatewaysOf(named(manifests, 'Deployment', 'orders'))).toBeUndefined()
    expect(named(manifests, 'Service', 'orders').spec).toMatchObject({ ports: [SERVICE_PORT] })
  })

  test.each<readonly [string, Labelled]>([
    ['says nothing', { kind: 'Deployment' }],
    ['says it in its pods only', { kind: 'Deployment', podSays: 'sidecar' }],
    ['says it with a slip', { kind: 'Deployment', says: 'side-car' }],
    ['says nothing', { kind: 'StatefulSet' }],
    ['says nothing', { kind: 'DaemonSet' }],
  ])('is refused when it %s: %o', (_, labelled) => {
    expect(complaint(workload(labelled))).toContain(
      'give every Deployment, StatefulSet and DaemonSet the label sallyport, in its own metadata',
    )
  })
})

describe('a Service', () => {
  test.each([
    ['by a name', SERVICE_PORT],
    ['by the number of the service', { ...SERVICE_PORT, targetPort: 3000 }],
    ['by its own port', { name: 'http', port: 80 }],
  ])('that led to the service %s leads to the gateway, by number', (_, port) => {
    const [manifest] = rendered(service('sidecar', [port]))
    expect(manifest?.spec).toMatchObject({ ports: [{ name: 'http', port: 80, targetPort: 8080 }] })
  })

  test('that says nothing is refused', () => {
    expect(complaint(service(undefined))).toContain('give every Service the label sallyport')
  })

  test('with a way past the gateway is refused', () => {
    const metrics = { name: 'metrics', port: 9102, targetPort: 9102 }
    expect(complaint(service('sidecar', [SERVICE_PORT, metrics]))).toContain('give others a Service of their own')
  })
})
