/**
 * Every finding of `sallyport k8s lint`, in one table: how grave it is, what to do, and where that is explained.
 *
 * Ids are stable: they stand in `--ignore`, in annotations and in the JSON. The compiler asks for a rule for each row,
 * see `rules.ts`. An `error` breaks the gateway's promise or the pod, a `warning` will hurt sooner or later, and a
 * `hint` is a guess, or something that the input does not show.
 */

export const SEVERITIES = ['error', 'warning', 'hint'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface FindingSpec {
  readonly severity: Severity
  /** What is wrong, for the list of all. */
  readonly title: string
  /** What to do; a rule that knows better says so. */
  readonly remedy: string
  /** A place in our documents, from the root of the project. */
  readonly link: `${string}.md#${string}`
}

const IN_FRONT = 'k8s/README.md#in-front-of-your-service'
const ADMIN = 'k8s/README.md#the-admin-port'
const SIZING = 'k8s/README.md#sizing'
const PROBES = 'k8s/README.md#probes'
const ORDER = 'k8s/README.md#order-of-start-and-stop'
const MANIFESTS = 'k8s/README.md#the-manifests'
const RELOAD = 'config/README.md#changing-it-while-the-gateway-runs'
const LINT = 'src/tools/README.md#sallyport-k8s-lint'

const FINDINGS = {
  'service-past-gateway': {
    severity: 'error',
    title: 'A Service leads to a port of the pod that is not the gateway’s.',
    remedy: 'Point `targetPort` at the port of the gateway, as a number.',
    link: IN_FRONT,
  },
  'service-port-named': {
    severity: 'warning',
    title: 'A Service finds the gateway by the name of a port, which another container can take.',
    remedy: 'Write the number: a container that declares a port of that name would get the traffic.',
    link: IN_FRONT,
  },
  'service-port-unknown': {
    severity: 'error',
    title: 'A Service names a port that no container of the pod has.',
    remedy: 'Write the number of the gateway’s port.',
    link: IN_FRONT,
  },
  'host-port-past-gateway': {
    severity: 'error',
    title: 'A `hostPort` leads to a container beside the gateway.',
    remedy: 'Take `hostPort` away, or give it to the port of the gateway.',
    link: IN_FRONT,
  },
  'admin-exposed': {
    severity: 'error',
    title: 'A Service, a route to it or a `hostPort` leads to the admin port.',
    remedy:
      'Take the port away: who reaches it sees the routes and can drain the pod. Prometheus finds pods by a PodMonitor.',
    link: ADMIN,
  },
  'host-network': {
    severity: 'warning',
    title: 'The pod uses the network of its node.',
    remedy: 'Take `hostNetwork` away: its loopback is that of the whole node, and network policies do not hold for it.',
    link: IN_FRONT,
  },
  'network-policy-missing': {
    severity: 'warning',
    title: 'No NetworkPolicy selects the pods.',
    remedy: 'Add the component k8s/components/network-policy, or one of your own with the gateway’s port alone.',
    link: MANIFESTS,
  },
  'network-policy-open': {
    severity: 'warning',
    title: 'A NetworkPolicy lets others reach ports past the gateway.',
    remedy: 'List the port of the gateway under `ports` of the rule, and no other.',
    link: MANIFESTS,
  },
  'network-policy-admin': {
    severity: 'warning',
    title: 'A NetworkPolicy lets everybody reach the admin port.',
    remedy: 'Give the rule a `from` that selects Prometheus.',
    link: ADMIN,
  },
  'app-address-wildcard': {
    severity: 'warning',
    title: 'The service seems to listen on all addresses of the pod.',
    remedy: 'Let it listen on 127.0.0.1, so that there is no way around the gateway.',
    link: IN_FRONT,
  },
  'app-address-unknown': {
    severity: 'hint',
    title: 'Nothing shows that the service listens on loopback alone, and no NetworkPolicy closes its port.',
    remedy: 'Let it listen on 127.0.0.1, and see with `sallyport doctor` in the pod that it does.',
    link: IN_FRONT,
  },
  'app-probe-past-gateway': {
    severity: 'warning',
    title: 'A probe of the service asks it past the gateway.',
    remedy:
      'Set `admin.appProbes` in the configuration, and let the probe ask `/-/app/<path>` at the admin port: a service on loopback cannot be reached by the kubelet.',
    link: IN_FRONT,
  },
  'app-probe-at-loopback': {
    severity: 'error',
    title: 'A probe of the service asks a port on loopback, which the kubelet cannot reach.',
    remedy: 'Set `admin.appProbes` in the configuration, and let the probe ask `/-/app/<path>` at the admin port.',
    link: IN_FRONT,
  },
  'app-probe-judged': {
    severity: 'warning',
    title: 'A probe of the service asks the port where callers need a token.',
    remedy: 'Set `admin.appProbes` in the configuration, and let the probe ask `/-/app/<path>` at the admin port.',
    link: IN_FRONT,
  },
  'app-probe-path': {
    severity: 'error',
    title: 'A probe of the service asks the admin port for a path that is not answered by the service.',
    remedy: 'List the path under `admin.appProbes` in the configuration, and ask for `/-/app/<path>`.',
    link: PROBES,
  },
  'gateway-probe-missing': {
    severity: 'warning',
    title: 'The gateway lacks a probe.',
    remedy: 'Give it startup and liveness probes at `/livez` and a readiness probe at `/readyz` of the admin port.',
    link: PROBES,
  },
  'gateway-probe-path': {
    severity: 'error',
    title: 'A probe of the gateway asks for the wrong path.',
    remedy: 'Ask for `/livez` to start and to live, and for `/readyz` to be ready.',
    link: PROBES,
  },
  'gateway-probe-port': {
    severity: 'error',
    title: 'A probe of the gateway asks a port that does not answer it.',
    remedy: 'Let it ask the admin port by `httpGet`, without TLS.',
    link: PROBES,
  },
  'admin-unreachable': {
    severity: 'error',
    title: 'Probes ask the pod’s IP for an admin listener that is not there.',
    remedy: 'Write `admin: { listen: 0.0.0.0:9090 }` in the configuration.',
    link: ADMIN,
  },
  'app-no-pre-stop': {
    severity: 'warning',
    title: 'The service stops at once, while requests still come in.',
    remedy: 'Give its container `lifecycle: { preStop: { sleep: { seconds: 10 } } }`.',
    link: ORDER,
  },
  'grace-too-short': {
    severity: 'warning',
    title: '`terminationGracePeriodSeconds` does not suffice for the end of service and gateway.',
    remedy: 'Raise it above the sum of `preStop`, the service’s own end and `drain.timeout`.',
    link: ORDER,
  },
  'gateway-no-drain': {
    severity: 'hint',
    title: 'Nobody tells the gateway that the pod is about to stop.',
    remedy: 'Give it the `preStop` of k8s/components/sidecar, which posts to `/-/drain`.',
    link: ORDER,
  },
  'gateway-pre-stop-fails': {
    severity: 'warning',
    title: 'The `preStop` hook of the gateway cannot work.',
    remedy: 'Take the one of k8s/components/sidecar: Node itself posts to `/-/drain`.',
    link: ORDER,
  },
  'sidecar-ordinary': {
    severity: 'warning',
    title: 'The gateway is an ordinary container, which starts and stops together with the service.',
    remedy: 'Move it to `initContainers` and give it `restartPolicy: Always`.',
    link: ORDER,
  },
  'job-never-ends': {
    severity: 'error',
    title: 'A Job waits for the gateway, which never ends by itself.',
    remedy: 'Move it to `initContainers` and give it `restartPolicy: Always`: Kubernetes ends it with the Job.',
    link: ORDER,
  },
  'init-never-ends': {
    severity: 'error',
    title: 'The gateway is an init container that the others wait for.',
    remedy: 'Give it `restartPolicy: Always`.',
    link: ORDER,
  },
  'gateway-twice': {
    severity: 'error',
    title: 'The pod has the gateway more than once.',
    remedy: 'Take one of them out; both would want the same ports.',
    link: MANIFESTS,
  },
  'config-not-named': {
    severity: 'error',
    title: 'The gateway is started without its configuration, or not at all.',
    remedy: 'Write `args: [run, -c, /etc/sallyport/sallyport.yaml]`, or leave `args` out.',
    link: MANIFESTS,
  },
  'config-not-mounted': {
    severity: 'error',
    title: 'The configuration is not where the gateway looks for it.',
    remedy: 'Mount the volume with the configuration at the folder that `-c` names.',
    link: MANIFESTS,
  },
  'config-sub-path': {
    severity: 'warning',
    title: 'The configuration is mounted by `subPath`, so that no change of it ever arrives.',
    remedy: 'Mount the whole folder, without `subPath`.',
    link: RELOAD,
  },
  'config-map-absent': {
    severity: 'hint',
    title: 'The ConfigMap with the configuration is not in the input, so what it says is not compared.',
    remedy: 'Give its manifest, too, or name the configuration by `-c FILE`.',
    link: LINT,
  },
  'config-key-missing': {
    severity: 'error',
    title: 'The ConfigMap does not have the file that the gateway is started with.',
    remedy: 'Give the ConfigMap a key with the name of the file.',
    link: MANIFESTS,
  },
  'config-invalid': {
    severity: 'error',
    title: 'The configuration in the ConfigMap has a mistake, and the gateway would not start with it.',
    remedy: 'Correct it; `sallyport check FILE --no-files` says the same of a file.',
    link: 'src/tools/README.md#sallyport-check',
  },
  'listen-port': {
    severity: 'error',
    title: 'The gateway does not listen where its container says.',
    remedy: 'Let `listen` in the configuration, `containerPort` and `targetPort` have the same number.',
    link: IN_FRONT,
  },
  'listen-on-loopback': {
    severity: 'error',
    title: 'The gateway listens on loopback, where nobody outside the pod reaches it.',
    remedy: 'Write `listen: 0.0.0.0:8080` in the configuration.',
    link: IN_FRONT,
  },
  'upstream-loops': {
    severity: 'error',
    title: '`upstreams` leads back to the gateway.',
    remedy: 'Write `http://127.0.0.1:` and the port of the service’s container.',
    link: IN_FRONT,
  },
  'upstream-elsewhere': {
    severity: 'hint',
    title: '`upstreams` leaves the pod, though a service is in it.',
    remedy: 'Write `http://127.0.0.1:` and the port of the service’s container, if that is meant.',
    link: IN_FRONT,
  },
  'upstream-port': {
    severity: 'warning',
    title: '`upstreams` names a port that no container of the pod declares or mentions.',
    remedy: 'Correct the port, or declare it as a `containerPort` of the service.',
    link: IN_FRONT,
  },
  'file-not-mounted': {
    severity: 'warning',
    title: 'The configuration names a file where nothing is mounted.',
    remedy: 'Mount the Secret or ConfigMap with the file into the gateway’s container.',
    link: IN_FRONT,
  },
  'file-not-writable': {
    severity: 'warning',
    title: 'The configuration names a file to write where nothing can be written.',
    remedy: 'Mount an `emptyDir` at its folder.',
    link: ORDER,
  },
  'secret-in-clear': {
    severity: 'error',
    title: 'A secret stands in a ConfigMap or in a manifest.',
    remedy: 'Put it into a Secret, mount that into the gateway’s container, and name the file in the configuration.',
    link: IN_FRONT,
  },
  'image-floating': {
    severity: 'warning',
    title: 'The image of the gateway has no tag, or one that is moved.',
    remedy: 'Name the image by its digest, `IMAGE:VERSION@sha256:…`.',
    link: 'k8s/README.md#image',
  },
  'image-no-digest': {
    severity: 'hint',
    title: 'The image of the gateway is named by a tag, which can be moved.',
    remedy: 'Name the image by its digest, `IMAGE:VERSION@sha256:…`.',
    link: 'k8s/README.md#image',
  },
  'cpu-limit': {
    severity: 'warning',
    title: 'The gateway has a CPU limit.',
    remedy: 'Take `limits.cpu` away and keep the request: throttling adds its pauses to every request.',
    link: SIZING,
  },
  'memory-limit': {
    severity: 'warning',
    title: 'The memory limit of the gateway is missing, or too low for its configuration.',
    remedy: 'Set `limits.memory` so; V8 keeps its heap to half of it.',
    link: SIZING,
  },
  'security-context': {
    severity: 'warning',
    title: 'The gateway may do more than it needs.',
    remedy: 'Take the `securityContext` of k8s/components/sidecar.',
    link: MANIFESTS,
  },
  'token-automounted': {
    severity: 'hint',
    title: 'Every container of the pod gets a token for the Kubernetes API.',
    remedy:
      'Set `automountServiceAccountToken: false`; if the gateway fetches the cluster’s keys, add the component k8s/components/cluster-token.',
    link: MANIFESTS,
  },
  'label-missing': {
    severity: 'warning',
    title: 'The pod has the gateway, but not the label by which policies and monitoring find it.',
    remedy: 'Label the pod template `sallyport: sidecar`.',
    link: MANIFESTS,
  },
  'never-injected': {
    severity: 'warning',
    title: 'The workload asks for the gateway by its label, and does not have it.',
    remedy:
      'Add the component k8s/components/sidecar and lint what `kubectl kustomize` prints; or label the namespace `sallyport-injection: enabled` for k8s/injection.',
    link: MANIFESTS,
  },
  'hpa-counts-gateway': {
    severity: 'warning',
    title: 'An autoscaler adds up the service and the gateway.',
    remedy: 'Use a metric of `type: ContainerResource`, which names the container.',
    link: SIZING,
  },
  'monitor-port': {
    severity: 'warning',
    title: 'Prometheus is sent to a port of the pod that is not the admin port.',
    remedy: 'Scrape `/metrics` of the admin port, as k8s/monitoring does; a service on loopback cannot be scraped.',
    link: ADMIN,
  },
  'replicas-not-shared': {
    severity: 'warning',
    title: 'Several pods keep apart what they would have to share.',
    remedy: 'Add `store` to the configuration, and let sessions, proofs, revocations and limits use it.',
    link: 'config/README.md#store',
  },
  'workers-in-sidecar': {
    severity: 'hint',
    title: 'A sidecar runs several processes.',
    remedy: 'Leave `workers` at 1, and run more pods.',
    link: 'k8s/README.md#more-than-one-core',
  },
  'ignore-unknown': {
    severity: 'warning',
    title: 'The annotation `sallyport-lint-ignore` names a finding that does not exist.',
    remedy: 'Correct it; `sallyport k8s lint --help` lists them all.',
    link: LINT,
  },
  'kustomization-unrendered': {
    severity: 'hint',
    title: 'A folder with a kustomization is read as it is, before kustomize has put it together.',
    remedy: 'Lint what is applied: `kubectl kustomize DIR | sallyport k8s lint -f -`.',
    link: LINT,
  },
} as const satisfies Record<string, FindingSpec>

export type FindingId = keyof typeof FINDINGS

export const FINDING_IDS = Object.keys(FINDINGS) as readonly FindingId[]

export function findingSpec(id: FindingId): FindingSpec {
  return FINDINGS[id]
}
