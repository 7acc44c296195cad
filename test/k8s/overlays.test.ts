/** What the overlays of `k8s/overlays` add to the example service, and that it fits together. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { starterFile } from '../../src/tools/init/starter-file.ts'
import { jwtOf } from '../support/jwt-provider.ts'
import { type Manifest, named, ROOT, render } from './kustomize.ts'

interface Mount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

interface Container {
  readonly name: string
  readonly ports?: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
  readonly volumeMounts?: readonly Mount[]
  readonly readinessProbe?: { readonly httpGet: { readonly path: string } }
  readonly args?: readonly string[]
}

interface PodSpec {
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes?: ReadonlyArray<{
    readonly name: string
    readonly projected?: { readonly sources: readonly object[] }
  }>
}

function podOf(manifests: readonly Manifest[], deployment: string): PodSpec {
  const { template } = named(manifests, 'Deployment', deployment).spec as { template: { spec: PodSpec } }
  return template.spec
}

function gatewayOf(manifests: readonly Manifest[]): Container {
  const gateway = podOf(manifests, 'orders').initContainers?.find(({ name }) => name === 'sallyport')
  if (gateway === undefined) throw new Error('no gateway')
  return gateway
}

function configOf(manifests: readonly Manifest[]): Config {
  const { 'sallyport.yaml': text = '' } = named(manifests, 'ConfigMap', 'sallyport').data as Record<string, string>
  return load(text)
}

/** Files that Kubernetes mounts are not here. */
function load(text: string): Config {
  return loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env: {}, namedFiles: 'unread' })
}

describe('serviceaccount-tokens', () => {
  const manifests = render('k8s/overlays/serviceaccount-tokens')
  const config = configOf(manifests)
  const gateway = gatewayOf(manifests)
  const { keys, audiences } = jwtOf(config, 'cluster')

  test('has the policy of config/kubernetes-serviceaccount.yaml', () => {
    const { 'sallyport.yaml': text = '' } = named(manifests, 'ConfigMap', 'sallyport').data as Record<string, string>
    expect(parse(text)).toEqual(parse(readFileSync(join(ROOT, 'config/kubernetes-serviceaccount.yaml'), 'utf8')))
  })

  test('listens where the manifests say, and answers the probes of the service', () => {
    const ports = new Map(gateway.ports?.map(({ name, containerPort }) => [name, containerPort]))
    expect(config.listen?.address).toEqual({ host: '0.0.0.0', port: ports.get('gateway') })
    expect(config.admin?.listen.address).toEqual({ host: '0.0.0.0', port: ports.get('gateway-admin') })
    const [app] = podOf(manifests, 'orders').containers
    expect(config.admin?.appProbes.map(({ path }) => `/-/app${path}`)).toContain(app?.readinessProbe?.httpGet.path)
    expect(app?.args?.join()).toContain(config.upstreams.app?.url.origin.replace('http://', ''))
  })

  test.each([
    ['the overlay', keys],
    ['`sallyport init --preset kubernetes`', jwtOf(load(starterFile({ preset: 'kubernetes' }))).keys],
  ])('mounts the files that the policy of %s names, for the gateway alone', (_, { bearerFile, caFile, cacheFile }) => {
    const mountOf = (path: string | undefined) =>
      gateway.volumeMounts?.find(({ mountPath }) => path?.startsWith(`${mountPath}/`))
    expect([mountOf(bearerFile), mountOf(caFile)]).toEqual(Array(2).fill(expect.objectContaining({ readOnly: true })))
    expect(mountOf(cacheFile)?.readOnly).toBeUndefined()
    const { volumes, containers } = podOf(manifests, 'orders')
    expect(volumes?.find(({ name }) => name === mountOf(cacheFile)?.name)).toHaveProperty('emptyDir')
    const [token, ca] = [bearerFile, caFile].map(path => path?.slice(path.lastIndexOf('/') + 1))
    expect(volumes?.find(({ name }) => name === mountOf(bearerFile)?.name)).toMatchObject({
      projected: {
        sources: [
          { serviceAccountToken: { path: token } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ path: ca }] } },
        ],
      },
    })
    expect(containers.flatMap(({ volumeMounts = [] }) => volumeMounts)).toEqual([])
  })

  test('has a caller with a token that the policy takes, and that nobody else takes', () => {
    const { containers, volumes = [] } = podOf(manifests, 'shop')
    expect(volumes[0]?.projected?.sources).toEqual([
      { serviceAccountToken: { audience: audiences?.[0], path: 'token', expirationSeconds: 3600 } },
    ])
    const [caller] = containers
    expect(caller?.args?.join()).toContain(`${caller?.volumeMounts?.[0]?.mountPath}/token`)
    expect(named(manifests, 'ServiceAccount', 'shop').automountServiceAccountToken).toBe(false)
    const { namespace } = named(manifests, 'Deployment', 'shop').metadata as unknown as { namespace: string }
    expect(JSON.stringify(config.routes.map(({ require: asked }) => asked))).toContain(`"${namespace}"`)
  })
})

describe('autoscaling', () => {
  const manifests = render('k8s/overlays/autoscaling')
  const { spec } = named(manifests, 'HorizontalPodAutoscaler', 'orders') as unknown as {
    spec: { scaleTargetRef: object; metrics: Array<{ containerResource: { container: string } }> }
  }

  test('measures each container of the Deployment by itself', () => {
    expect(spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'orders' })
    const { initContainers = [], containers } = podOf(manifests, 'orders')
    expect(spec.metrics.map(({ containerResource }) => containerResource.container)).toEqual(
      [...containers, ...initContainers].map(({ name }) => name),
    )
  })

  test('leaves the number of pods to the autoscaler', () => {
    expect(named(manifests, 'Deployment', 'orders').spec).not.toHaveProperty('replicas')
  })
})

describe.each([
  ['http-route', 'HTTPRoute', 'gateways'],
  ['ingress', 'Ingress', 'ingress'],
])('%s', (overlay, kind, namespace) => {
  const manifests = render(`k8s/overlays/${overlay}`)
  const route = named(manifests, kind, 'orders')

  test('leads every path to the port of the Service that leads to the gateway', () => {
    const { spec } = named(manifests, 'Service', 'orders') as unknown as {
      spec: { ports: Array<{ port: number; targetPort: number }> }
    }
    expect(spec.ports.map(({ targetPort }) => targetPort)).toEqual([8080])
    const [port] = spec.ports
    const backend =
      kind === 'Ingress'
        ? { path: '/', pathType: 'Prefix', backend: { service: { name: 'orders', port: { number: port?.port } } } }
        : {
            matches: [{ path: { type: 'PathPrefix', value: '/' } }],
            backendRefs: [{ name: 'orders', port: port?.port }],
          }
    const { rules } = route.spec as { rules: Array<{ http?: { paths: unknown[] } }> }
    expect(rules.flatMap(rule => rule.http?.paths ?? rule)).toEqual([backend])
  })

  test('lets nobody but its proxies reach the gateway, and Prometheus the admin port', () => {
    const { spec } = named(manifests, 'NetworkPolicy', 'sallyport') as unknown as {
      spec: { ingress: Array<{ ports: Array<{ port: number }>; from?: object[] }> }
    }
    expect(spec.ingress.map(({ ports, from }) => [ports[0]?.port, from?.length])).toEqual([
      [8080, 1],
      [9090, 1],
    ])
    expect(JSON.stringify(spec.ingress[0]?.from)).toContain(`"kubernetes.io/metadata.name":"${namespace}"`)
  })
})
