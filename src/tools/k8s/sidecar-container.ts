/**
 * Says what the gateway is within a pod: its container, its volumes, and what else of the pod it needs.
 *
 * This is plain data, as the Kubernetes API spells it. The manifests of `k8s/` say the same in words of their own, with
 * the reason of each line, and a test compares them.
 */

export const SIDECAR_NAME = 'sallyport'
/** The label of pods that have the gateway, by which policies and monitors select them. */
export const SIDECAR_LABEL = { name: 'sallyport', value: 'sidecar', optOut: 'none' } as const
/** The label with which a pod names another ConfigMap than `sallyport`. */
export const CONFIG_MAP_LABEL = 'sallyport-config'
export const CONFIG_VOLUME = 'sallyport-config'

/** Endpoints and load balancers need so long to forget a pod that ends, so its service keeps serving. */
export const PRE_STOP_SLEEP_SECONDS = 10
/** What a service needs for its own shutdown, and some to spare. */
const SHUTDOWN_SECONDS = 20
export const DEFAULT_DRAIN_SECONDS = 30

export interface SidecarPorts {
  /** `listen` of the configuration, where Services lead. */
  readonly gateway: number
  /** `admin.listen` of the configuration, where kubelet and Prometheus ask. */
  readonly admin: number
}

export const DEFAULT_PORTS: SidecarPorts = { gateway: 8080, admin: 9090 }

/** The probes that a container may have. */
export const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const

export function sidecarContainer(image: string, { gateway, admin }: SidecarPorts) {
  return {
    name: SIDECAR_NAME,
    image,
    restartPolicy: 'Always',
    args: ['run', '-c', '/etc/sallyport/sallyport.yaml'],
    ports: [
      { name: 'gateway', containerPort: gateway },
      { name: 'gateway-admin', containerPort: admin },
    ],
    startupProbe: { httpGet: { path: '/livez', port: admin }, periodSeconds: 1, failureThreshold: 30 },
    readinessProbe: { httpGet: { path: '/readyz', port: admin }, periodSeconds: 5, failureThreshold: 2 },
    livenessProbe: {
      httpGet: { path: '/livez', port: admin },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    lifecycle: { preStop: { exec: { command: ['node', '-e', drainScript(admin)] } } },
    resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '192Mi' } },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [
      { name: CONFIG_VOLUME, mountPath: '/etc/sallyport', readOnly: true },
      { name: 'sallyport-cache', mountPath: '/var/cache/sallyport' },
    ],
  }
}

export function sidecarVolumes(configMap: string) {
  return [
    { name: CONFIG_VOLUME, configMap: { name: configMap } },
    { name: 'sallyport-cache', emptyDir: { sizeLimit: '16Mi' } },
  ]
}

/** What a pod needs to end well: its services sleep and end, and then the gateway finishes what is under way. */
export function gracePeriodSeconds(preStopSleepSeconds: number, drainSeconds: number): number {
  return Math.ceil(preStopSleepSeconds + SHUTDOWN_SECONDS + drainSeconds)
}

/** `httpGet` hooks can only GET, so Node itself sends the POST. */
function drainScript(port: number): string {
  return `require('node:http').request({ host: '127.0.0.1', port: ${port}, path: '/-/drain', method: 'POST' }, answer => answer.resume()).end()`
}
