/** Makes each finding of `sallyport k8s lint` by one change of manifests in which nothing is to be found. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../../src/config/read/load.ts'
import { FINDING_IDS, type FindingId } from '../../../../src/tools/k8s/lint/finding-table.ts'
import { type LintFinding, lint } from '../../../../src/tools/k8s/lint/lint.ts'
import { changed, GOOD } from './good-manifests.ts'

interface Case {
  readonly id: FindingId
  readonly when: string
  readonly parts: ReadonlyArray<readonly [from: string, to: string]>
  /** The text of the line that is pointed at, from the column on. */
  readonly at: string
  /** A part of what is said. */
  readonly says: string
  /** Further objects of the input. */
  readonly more?: string
}

const GATEWAY = '        - name: sallyport\n'
const INIT = '      initContainers:\n'
const POLICY = GOOD.slice(GOOD.indexOf('apiVersion: networking'))
const SERVICE_SPEC = `spec:
  selector: { app: orders }
  ports:
    - name: http`

function ordinary(text: string): ReadonlyArray<readonly [string, string]> {
  const start = text.indexOf(GATEWAY)
  const end = text.indexOf('      containers:\n')
  const container = text.slice(start, end)
  return [
    [
      `${INIT}${container}      containers:\n`,
      `      containers:\n${container.replace('          restartPolicy: Always\n', '')}`,
    ],
  ]
}

const CASES: readonly Case[] = [
  {
    ...{ id: 'service-past-gateway', when: 'targetPort is the port of the service' },
    ...{ parts: [['targetPort: 8080', 'targetPort: 3000']], at: '3000', says: '`targetPort: 8080`' },
  },
  {
    ...{ id: 'service-past-gateway', when: 'targetPort is left out' },
    ...{ parts: [['port: 80\n      targetPort: 8080', 'port: 3000']], at: '3000', says: 'without `targetPort`' },
  },
  {
    ...{ id: 'service-past-gateway', when: 'a name leads to the container of the service' },
    parts: [
      ['targetPort: 8080', 'targetPort: web'],
      [
        'args: [-listen=127.0.0.1:3000]',
        'args: [-listen=127.0.0.1:3000]\n          ports: [{ name: web, containerPort: 3000 }]',
      ],
    ],
    ...{ at: 'web', says: 'of the container `orders`' },
  },
  {
    ...{ id: 'service-past-gateway', when: 'the container of the service has a port of the gateway’s name' },
    parts: [
      ['targetPort: 8080', 'targetPort: gateway'],
      [
        'args: [-listen=127.0.0.1:3000]',
        'args: [-listen=127.0.0.1:3000]\n          ports: [{ name: gateway, containerPort: 3000 }]',
      ],
    ],
    ...{ at: 'gateway', says: 'leads to port 3000' },
  },
  {
    ...{ id: 'service-port-named', when: 'targetPort is the name of the gateway’s port' },
    ...{ parts: [['targetPort: 8080', 'targetPort: gateway']], at: 'gateway', says: '`targetPort: 8080`' },
  },
  {
    ...{ id: 'service-port-unknown', when: 'no container has the name' },
    ...{ parts: [['targetPort: 8080', 'targetPort: http']], at: 'http', says: 'leads nowhere' },
  },
  {
    ...{ id: 'admin-exposed', when: 'a Service has the admin port' },
    ...{
      parts: [['targetPort: 8080', 'targetPort: 8080\n    - { port: 9090 }']],
      at: '9090',
      says: 'Service `orders`',
    },
  },
  {
    ...{ id: 'admin-exposed', when: 'a Service has the name of the admin port' },
    parts: [['targetPort: 8080', 'targetPort: 8080\n    - { port: 81, targetPort: gateway-admin }']],
    ...{ at: 'gateway-admin', says: 'the admin port in no Service' },
  },
  {
    ...{ id: 'admin-exposed', when: 'the admin port is a port of the node' },
    parts: [['containerPort: 9090 }', 'containerPort: 9090, hostPort: 9090 }']],
    ...{ at: '9090', says: 'open on the node' },
  },
  {
    ...{ id: 'host-port-past-gateway', when: 'the service has a port of the node' },
    parts: [
      [
        'args: [-listen=127.0.0.1:3000]',
        'args: [-listen=127.0.0.1:3000]\n          ports: [{ containerPort: 3000, hostPort: 80 }]',
      ],
    ],
    ...{ at: '80', says: 'past the gateway' },
  },
  {
    ...{ id: 'host-network', when: 'the pod has the network of its node' },
    ...{ parts: [[INIT, `      hostNetwork: true\n${INIT}`]], at: 'true', says: 'everything on the node' },
  },
  {
    ...{ id: 'network-policy-missing', when: 'there is none' },
    ...{ parts: [[POLICY, '']], at: 'labels', says: 'Seen: none' },
  },
  {
    ...{ id: 'network-policy-missing', when: 'it selects other pods' },
    ...{
      parts: [['    matchLabels: { sallyport: sidecar }', '    matchLabels: { app: shop }']],
      at: 'labels',
      says: '`orders`, which select other pods',
    },
  },
  {
    ...{ id: 'network-policy-missing', when: 'it is about what leaves the pod' },
    ...{ parts: [['policyTypes: [Ingress]', 'policyTypes: [Egress]']], at: 'labels', says: 'no NetworkPolicy' },
  },
  {
    ...{ id: 'network-policy-open', when: 'a rule has no ports' },
    ...{
      parts: [['    - ports:\n        - port: 8080', '    - {}']],
      at: '{}',
      says: 'lets everybody reach every port',
    },
  },
  {
    ...{ id: 'network-policy-open', when: 'a rule has the port of the service' },
    ...{
      parts: [['        - port: 8080', '        - port: 8080\n        - port: 3000']],
      at: '3000',
      says: 'port 3000, past the gateway',
    },
  },
  {
    ...{ id: 'network-policy-open', when: 'a rule has a range' },
    ...{
      parts: [['        - port: 8080', '        - port: 8080\n          endPort: 8088']],
      at: '8080',
      says: 'ports 8080 to 8088',
    },
  },
  {
    ...{ id: 'network-policy-admin', when: 'a rule for everybody has the admin port' },
    ...{
      parts: [['        - port: 8080', '        - port: 8080\n        - port: 9090']],
      at: '9090',
      says: 'everybody',
    },
  },
  {
    ...{ id: 'app-address-wildcard', when: 'an argument says so' },
    ...{
      parts: [['[-listen=127.0.0.1:3000]', '[--host, 0.0.0.0, --port, "3000"]']],
      at: '0.0.0.0',
      says: 'all addresses',
    },
  },
  {
    ...{ id: 'app-address-wildcard', when: 'the port alone is said, as programs in Go are told' },
    ...{ parts: [['[-listen=127.0.0.1:3000]', '["-addr=:3000"]']], at: '"-addr=:3000"', says: '127.0.0.1' },
  },
  {
    ...{ id: 'app-address-wildcard', when: 'the environment says so' },
    parts: [['args: [-listen=127.0.0.1:3000]', "env: [{ name: ASPNETCORE_URLS, value: 'http://+:3000' }]"]],
    ...{ at: "'http://+:3000'", says: 'all addresses' },
  },
  {
    ...{ id: 'app-address-unknown', when: 'nothing says where it listens and its port is not closed' },
    parts: [
      ['args: [-listen=127.0.0.1:3000]', 'args: [serve, "3000"]'],
      [POLICY, changed(POLICY, ['    matchLabels: { sallyport: sidecar }', '    matchLabels: { app: shop }'])],
      ['\n    spec:', '\n      annotations: { sallyport-lint-ignore: network-policy-missing }\n    spec:'],
    ],
    ...{ at: 'orders', says: 'loopback alone' },
  },
  {
    ...{ id: 'app-probe-past-gateway', when: 'a probe asks the service itself' },
    parts: [
      ['args: [-listen=127.0.0.1:3000]', 'args: [serve, "3000"]'],
      ['{ path: /-/app/health, port: 9090 }', '{ path: /health, port: 3000 }'],
    ],
    ...{ at: '3000', says: '`httpGet: { path: /-/app/health, port: 9090 }`' },
  },
  {
    ...{ id: 'app-probe-at-loopback', when: 'the service listens on loopback' },
    ...{
      parts: [['{ path: /-/app/health, port: 9090 }', '{ path: /health, port: 3000 }']],
      at: '3000',
      says: 'never succeed',
    },
  },
  {
    ...{ id: 'app-probe-at-loopback', when: 'the probe names loopback, which is that of the node' },
    parts: [['{ path: /-/app/health, port: 9090 }', '{ path: /-/app/health, port: 9090, host: 127.0.0.1 }']],
    ...{ at: '9090', says: 'is the node of the kubelet' },
  },
  {
    ...{ id: 'app-probe-judged', when: 'a probe comes without a token to a route that asks for one' },
    ...{
      parts: [['{ path: /-/app/health, port: 9090 }', '{ path: /health, port: 8080 }']],
      at: '8080',
      says: 'without a token',
    },
  },
  {
    ...{ id: 'app-probe-path', when: 'the path is not listed' },
    ...{
      parts: [['path: /-/app/health', 'path: /-/app/healthz']],
      at: '/-/app/healthz',
      says: '`admin.appProbes: [/health]`',
    },
  },
  {
    ...{ id: 'app-probe-path', when: 'no path is listed' },
    ...{ parts: [[', appProbes: [/health]', '']], at: '/-/app/health', says: 'no `admin.appProbes`' },
  },
  {
    ...{ id: 'app-probe-path', when: 'the gateway is asked about itself' },
    ...{ parts: [['path: /-/app/health', 'path: /livez']], at: '/livez', says: 'never the service' },
  },
  {
    ...{ id: 'gateway-probe-missing', when: 'there is no startup probe' },
    parts: [['          startupProbe:\n            httpGet: { path: /livez, port: 9090 }\n', '']],
    ...{ at: 'sallyport', says: 'no `startupProbe`' },
  },
  {
    ...{ id: 'gateway-probe-path', when: 'it lives by its readiness' },
    parts: [
      ['livenessProbe:\n            httpGet: { path: /livez', 'livenessProbe:\n            httpGet: { path: /readyz'],
    ],
    ...{ at: '/readyz', says: 'while a provider is away' },
  },
  {
    ...{ id: 'gateway-probe-path', when: 'the path does not exist' },
    ...{ parts: [['path: /readyz', 'path: /healthz']], at: '/healthz', says: 'gets 404' },
  },
  {
    ...{ id: 'gateway-probe-port', when: 'a probe asks the port of the traffic' },
    ...{ parts: [['{ path: /readyz, port: 9090 }', '{ path: /readyz, port: 8080 }']], at: '8080', says: 'port 9090' },
  },
  {
    ...{ id: 'gateway-probe-port', when: 'a probe asks by TLS' },
    parts: [['{ path: /readyz, port: 9090 }', '{ path: /readyz, port: 9090, scheme: HTTPS }']],
    ...{ at: '9090', says: 'in a way that the admin port does not answer' },
  },
  {
    ...{ id: 'admin-unreachable', when: 'the admin listener is on loopback' },
    ...{ parts: [['listen: 0.0.0.0:9090', 'listen: 127.0.0.1:9090']], at: '127.0.0.1:9090', says: 'the pod’s IP' },
  },
  {
    ...{ id: 'app-no-pre-stop', when: 'the service has no hook' },
    parts: [['          lifecycle:\n            preStop:\n              sleep: { seconds: 10 }\n', '']],
    ...{ at: 'orders', says: 'no `lifecycle`' },
  },
  {
    ...{ id: 'grace-too-short', when: 'it is what Kubernetes takes' },
    ...{ parts: [['      terminationGracePeriodSeconds: 60\n', '']], at: 'spec', says: 'more than 40 s' },
  },
  {
    ...{ id: 'grace-too-short', when: 'the gateway takes longer' },
    ...{ parts: [['timeout: 30s', 'timeout: 2m']], at: '60', says: 'more than 130 s' },
  },
  {
    ...{ id: 'gateway-no-drain', when: 'the gateway has no hook' },
    parts: [['          lifecycle:\n            preStop:\n              exec: { command: [node, -e, drain] }\n', '']],
    ...{ at: 'sallyport', says: '/-/drain' },
  },
  {
    ...{ id: 'gateway-pre-stop-fails', when: 'the hook can only GET' },
    parts: [['exec: { command: [node, -e, drain] }', 'httpGet: { path: /-/drain, port: 9090 }']],
    ...{ at: 'httpGet', says: 'POST alone' },
  },
  {
    ...{ id: 'gateway-pre-stop-fails', when: 'the image lacks the program' },
    ...{ parts: [['[node, -e, drain]', '[curl, -X, POST, x]']], at: 'curl', says: 'no `curl`' },
  },
  {
    ...{ id: 'sidecar-ordinary', when: 'the gateway is an ordinary container' },
    ...{ parts: ordinary(GOOD), at: 'sallyport', says: 'restartPolicy: Always' },
  },
  {
    ...{ id: 'job-never-ends', when: 'the gateway is an ordinary container of a Job' },
    parts: [...ordinary(GOOD), ['apiVersion: apps/v1\nkind: Deployment', 'apiVersion: batch/v1\nkind: Job']],
    ...{ at: 'sallyport', says: 'never completes' },
  },
  {
    ...{ id: 'init-never-ends', when: 'the gateway is not restarted' },
    ...{ parts: [['          restartPolicy: Always\n', '']], at: 'sallyport', says: 'never starts' },
  },
  {
    ...{ id: 'gateway-twice', when: 'another container has its image' },
    parts: [
      [
        INIT,
        `${INIT}        - { name: other, image: registry.example.com/sallyport:0.1.0@sha256:0123, restartPolicy: Always }\n`,
      ],
    ],
    ...{ at: 'other', says: '`sallyport` and `other`' },
  },
  {
    ...{ id: 'config-not-named', when: 'the arguments do not name the file' },
    ...{
      parts: [['args: [run, -c, /etc/sallyport/sallyport.yaml]', 'args: [run]']],
      at: '[run]',
      says: 'working directory',
    },
  },
  {
    ...{ id: 'config-not-mounted', when: 'the volume is mounted elsewhere' },
    ...{ parts: [['mountPath: /etc/sallyport,', 'mountPath: /config,']], at: 'volumeMounts', says: '`/config`' },
  },
  {
    ...{ id: 'config-not-mounted', when: 'there is no such volume' },
    parts: [['        - name: config\n          configMap: { name: sallyport }\n', '']],
    ...{ at: 'config', says: 'no volume `config`' },
  },
  {
    ...{ id: 'config-sub-path', when: 'the file alone is mounted' },
    parts: [['mountPath: /etc/sallyport,', 'mountPath: /etc/sallyport/sallyport.yaml, subPath: sallyport.yaml,']],
    ...{ at: 'subPath', says: 'no new configuration' },
  },
  {
    ...{ id: 'config-map-absent', when: 'the ConfigMap has another name' },
    ...{
      parts: [['configMap: { name: sallyport }', 'configMap: { name: gateway }']],
      at: '{ name: config',
      says: '`gateway`',
    },
  },
  {
    ...{ id: 'config-key-missing', when: 'the ConfigMap has another file' },
    ...{ parts: [['  sallyport.yaml: |', '  config.yaml: |']], at: 'data', says: '`config.yaml`' },
  },
  {
    ...{ id: 'config-invalid', when: 'a key is misspelled' },
    ...{
      parts: [['      - { id: all, path: /orders/** }', '      - { id: all, pth: /orders/** }']],
      at: 'pth: /orders',
      says: 'Did you mean "path"?',
    },
  },
  {
    ...{ id: 'listen-port', when: 'the container declares another port' },
    ...{
      parts: [['name: gateway, containerPort: 8080', 'name: gateway, containerPort: 8000']],
      at: '8000',
      says: '`containerPort: 8080`',
    },
  },
  {
    ...{ id: 'listen-on-loopback', when: 'the gateway listens where the service should' },
    ...{ parts: [['listen: 0.0.0.0:8080', 'listen: 127.0.0.1:8080']], at: '127.0.0.1:8080', says: '0.0.0.0:8080' },
  },
  {
    ...{ id: 'upstream-loops', when: 'the upstream is the Service before the gateway' },
    ...{
      parts: [['app: http://127.0.0.1:3000', 'app: http://orders.shop.svc']],
      at: 'http://orders',
      says: 'back to these pods',
    },
  },
  {
    ...{ id: 'upstream-loops', when: 'the upstream is the gateway itself' },
    ...{
      parts: [['app: http://127.0.0.1:3000', 'app: http://127.0.0.1:8080']],
      at: 'http://127',
      says: 'the gateway itself',
    },
  },
  {
    ...{ id: 'upstream-loops', when: 'the service wants the port of the gateway' },
    ...{
      parts: [
        ['app: http://127.0.0.1:3000', 'app: http://127.0.0.1:8080'],
        [
          'args: [-listen=127.0.0.1:3000]',
          'args: [-listen=127.0.0.1:8080]\n          ports: [{ containerPort: 8080 }]',
        ],
      ],
      at: 'http://127',
      says: 'cannot both have 8080 in one pod',
    },
  },
  {
    ...{ id: 'upstream-elsewhere', when: 'the upstream is another service' },
    ...{ parts: [['app: http://127.0.0.1:3000', 'app: http://billing']], at: 'http://billing', says: 'leaves the pod' },
  },
  {
    ...{ id: 'upstream-port', when: 'the service declares another port' },
    parts: [
      ['args: [-listen=127.0.0.1:3000]', 'args: [-listen=127.0.0.1:3001]\n          ports: [{ containerPort: 3001 }]'],
    ],
    ...{ at: 'http://127.0.0.1:3000', says: '3001' },
  },
  {
    ...{ id: 'workers-in-sidecar', when: 'there are several workers' },
    parts: [
      ['    tokenCache: { entries: 10000 }', '    workers: 2\n    tokenCache: { entries: 1000 }'],
      ['memory: 192Mi', 'memory: 512Mi'],
    ],
    ...{ at: '2', says: '`workers: 1`' },
  },
  {
    ...{ id: 'file-not-mounted', when: 'the configuration names a certificate' },
    parts: [['keys: { cacheFile', 'keys: { caFile: /run/ca/ca.pem, cacheFile']],
    ...{ at: '/run/ca/ca.pem', says: '`providers.main.keys.caFile`' },
  },
  {
    ...{ id: 'file-not-writable', when: 'no volume is mounted for the cache' },
    parts: [['            - { name: cache, mountPath: /var/cache/sallyport }\n', '']],
    ...{ at: '/var/cache/sallyport/keys.json', says: 'the root is read-only' },
  },
  {
    ...{ id: 'file-not-writable', when: 'the volume of the cache is a ConfigMap' },
    ...{
      parts: [['emptyDir: {}', 'configMap: { name: cache }']],
      at: '/var/cache/sallyport/keys.json',
      says: 'only be read',
    },
  },
  {
    ...{ id: 'secret-in-clear', when: 'a variable holds a secret' },
    parts: [
      [
        '          restartPolicy: Always\n',
        '          restartPolicy: Always\n          env: [{ name: CLIENT_SECRET, value: hunter2 }]\n',
      ],
    ],
    ...{ at: 'CLIENT_SECRET', says: 'a file of a Secret' },
  },
  {
    ...{ id: 'secret-in-clear', when: 'the ConfigMap holds a private key' },
    parts: [['  sallyport.yaml: |', '  tls.key: |\n    -----BEGIN PRIVATE KEY-----\n    MIIE\n  sallyport.yaml: |']],
    ...{ at: '-----BEGIN', says: 'a private key in `tls.key`' },
  },
  {
    ...{ id: 'image-floating', when: 'the image has no tag' },
    ...{ parts: [['sallyport:0.1.0@sha256:0123', 'sallyport']], at: 'registry.example.com/sallyport', says: 'no tag' },
  },
  {
    ...{ id: 'image-floating', when: 'the tag is `latest`' },
    ...{
      parts: [['sallyport:0.1.0@sha256:0123', 'sallyport:latest']],
      at: 'registry.example.com/sallyport:latest',
      says: '`latest`',
    },
  },
  {
    ...{ id: 'image-no-digest', when: 'the image has a tag alone' },
    ...{
      parts: [['sallyport:0.1.0@sha256:0123', 'sallyport:0.1.0']],
      at: 'registry.example.com/sallyport:0.1.0',
      says: 'sha256',
    },
  },
  {
    ...{ id: 'cpu-limit', when: 'there is one' },
    ...{
      parts: [['limits: { memory: 192Mi }', 'limits: { cpu: 100m, memory: 192Mi }']],
      at: '100m',
      says: 'throttled',
    },
  },
  {
    ...{ id: 'memory-limit', when: 'there is none' },
    ...{
      parts: [['            limits: { memory: 192Mi }\n', '']],
      at: '            requests'.trim(),
      says: 'memory of the node',
    },
  },
  {
    ...{ id: 'memory-limit', when: 'it is too low for the cache' },
    ...{
      parts: [['entries: 10000', 'entries: 100000']],
      at: '192Mi',
      says: '`limits.memory: 491Mi`, for `tokenCache.entries: 100000`',
    },
  },
  {
    ...{ id: 'security-context', when: 'the root can be written' },
    ...{
      parts: [['            readOnlyRootFilesystem: true\n', '']],
      at: 'securityContext',
      says: '`readOnlyRootFilesystem: true`',
    },
  },
  {
    ...{ id: 'token-automounted', when: 'the ServiceAccount does not say otherwise' },
    ...{ parts: [['automountServiceAccountToken: false\n', '']], at: 'spec', says: 'means `true`' },
  },
  {
    ...{ id: 'label-missing', when: 'the pods lack it' },
    parts: [
      ['labels: { app: orders, sallyport: sidecar }', 'labels: { app: orders }'],
      ['    matchLabels: { sallyport: sidecar }', '    matchLabels: { app: orders }'],
    ],
    ...{ at: 'labels', says: '`sallyport: sidecar` among the labels' },
  },
  {
    ...{ id: 'never-injected', when: 'the label is there and the gateway is not' },
    parts: [[GOOD.slice(GOOD.indexOf(INIT), GOOD.indexOf('      containers:\n')), '']],
    ...{ at: 'orders', says: 'nothing in the input puts it there' },
  },
  {
    ...{ id: 'hpa-counts-gateway', when: 'it scales by the resources of the pod' },
    parts: [],
    more: `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: orders, namespace: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: orders }
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } }
`,
    ...{ at: 'Resource', says: '`container: orders`' },
  },
  {
    ...{ id: 'admin-exposed', when: 'an Ingress leads to it' },
    parts: [
      [
        SERVICE_SPEC,
        `spec:\n  selector: { app: orders }\n  ports:\n    - name: admin\n      port: 9090\n    - name: http`,
      ],
    ],
    more: `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: admin, namespace: shop }
spec:
  rules:
    - http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: orders, port: { number: 9090 } } } }
`,
    ...{ at: '9090', says: 'from outside' },
  },
  {
    ...{ id: 'monitor-port', when: 'a PodMonitor names a port that is not there' },
    parts: [],
    more: `apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: { name: orders, namespace: shop }
spec:
  selector: { matchLabels: { app: orders } }
  podMetricsEndpoints: [{ port: metrics }]
`,
    ...{ at: 'metrics', says: 'nothing is scraped' },
  },
  {
    ...{ id: 'monitor-port', when: 'annotations name the port of the service' },
    parts: [
      ['\n    spec:', "\n      annotations: { prometheus.io/scrape: 'true', prometheus.io/port: '3000' }\n    spec:"],
    ],
    ...{ at: "'3000'", says: '`prometheus.io/port: "9090"`' },
  },
  {
    ...{ id: 'replicas-not-shared', when: 'each pod remembers proofs by itself' },
    parts: [['    tokenCache:', '    dpop: { baseUrls: [https://orders.example.com] }\n    tokenCache:']],
    ...{ at: 'dpop', says: '`replicas: 2`' },
  },
  {
    ...{ id: 'replicas-not-shared', when: 'each pod counts for a limit by itself' },
    parts: [['    tokenCache:', '    rateLimits: { per-caller: { rate: 10/s, key: [claims.sub] } }\n    tokenCache:']],
    ...{ at: '10/s', says: 'each pod counts for limit `per-caller` by itself' },
  },
  {
    ...{ id: 'ignore-unknown', when: 'the annotation has a slip' },
    parts: [
      [
        '  name: orders\n  namespace: shop\nspec:',
        '  name: orders\n  namespace: shop\n  annotations: { sallyport-lint-ignore: cpu-limits }\nspec:',
      ],
    ],
    ...{ at: 'cpu-limits', says: 'Did you mean "cpu-limit"?' },
  },
  {
    ...{ id: 'kustomization-unrendered', when: 'a kustomization is among the files' },
    parts: [],
    more: 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [all.yaml]\n',
    ...{ at: 'Kustomization', says: '`kubectl kustomize . | sallyport k8s lint -f -`' },
  },
]

function linted(text: string): readonly LintFinding[] {
  return lint({ files: [{ name: 'all.yaml', text }], config: undefined, ignored: new Set() }).findings
}

test('manifests as they should be have no finding', () => {
  const report = lint({ files: [{ name: 'all.yaml', text: GOOD }], config: undefined, ignored: new Set() })
  expect(report).toEqual({ findings: [], problems: [], gateways: 1, others: 0 })
})

test('every finding of the table is made here', () => {
  expect(FINDING_IDS.filter(id => CASES.every(each => each.id !== id))).toEqual([])
})

describe.each(CASES)('$id: $when', ({ id, parts, at, says, more }) => {
  const text = changed(GOOD, ...parts) + (more === undefined ? '' : `---\n${more}`)
  const findings = linted(text)

  test('is found, and nothing else', () => {
    expect([...new Set(findings.map(each => each.id))]).toEqual([id])
  })

  test('at its place, with what to do', () => {
    const found = findings.find(each => textOf(each).includes(says))
    expect(found, findings.map(textOf).join('\n')).toBeDefined()
    const line = text.split('\n')[(found?.line ?? 0) - 1] ?? ''
    expect(line.slice((found?.column ?? 0) - 1, (found?.column ?? 0) - 1 + at.length)).toBe(at)
    expect(found?.remedy).toMatch(/^[A-Z].*\.$/)
  })
})

function textOf({ what, wanted, seen, remedy }: LintFinding): string {
  return `${what}. Wanted: ${wanted}. Seen: ${seen}. ${remedy}`
}

test('what the command line names is the configuration of every gateway', () => {
  const config = loadConfig({
    text: 'listen: 0.0.0.0:8000\nadmin: { listen: 0.0.0.0:9090, appProbes: [/health] }\nupstreams: { app: "http://127.0.0.1:3000" }\nroutes: [{ id: all, path: /**, access: public }]\n',
    file: 'sallyport.yaml',
    env: {},
  })
  const ids = lint({ files: [{ name: 'all.yaml', text: GOOD }], config, ignored: new Set() }).findings.map(
    ({ id }) => id,
  )
  expect(ids).toContain('listen-port')
})
