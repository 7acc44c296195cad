/**
 * Describes the values of the Helm chart, whose JSON Schema is `k8s/charts/sallyport/values.schema.json`.
 *
 * Every block is closed, so that a slip of the pen is an error of `helm lint`. What Kubernetes defines (volumes,
 * tolerations, environment) is left to Kubernetes. What a value means is written in `values.yaml`. How values go with
 * one another is no business of this schema: the chart's template `_checks.tpl` knows.
 */
import * as z from 'zod'

const PORT = z.int().min(1).max(65_535)
const SECONDS = z.int().min(0)
const TEXTS = z.record(z.string(), z.string())
const OBJECT = z.record(z.string(), z.unknown())
const OBJECTS = z.array(OBJECT)
const NAMED = z.array(z.looseObject({ name: z.string().min(1) }))
const QUANTITY = z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$/)
const ABSOLUTE_PATH = z.string().regex(/^\//)

/** Everything has a default in `values.yaml`, so nothing is required of who installs the chart. */
function block<const Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape).partial()
}

export const chartValues = block({
  /** Its schema is that of the configuration file; see `chart.ts`. */
  config: OBJECT,
  existingConfigMap: z.string(),
  reload: z.enum(['hot', 'checksum']),
  image: block({
    repository: z.string().min(1),
    tag: z.string(),
    digest: z.string().regex(/^(sha256:[0-9a-f]{64})?$/),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
  }),
  imagePullSecrets: NAMED,
  replicas: z.int().min(0),
  ports: block({ gateway: PORT, admin: PORT, decide: PORT }),
  env: NAMED,
  envFrom: OBJECTS,
  secretMounts: z.array(
    z.strictObject({ name: z.string().min(1), mountPath: ABSOLUTE_PATH, items: OBJECTS.optional() }),
  ),
  clusterToken: block({ enabled: z.boolean(), expirationSeconds: z.int().min(600) }),
  cache: block({ sizeLimit: QUANTITY }),
  extraVolumes: NAMED,
  extraVolumeMounts: z.array(z.looseObject({ name: z.string().min(1), mountPath: ABSOLUTE_PATH })),
  service: block({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    port: PORT,
    appProtocol: z.string(),
    annotations: TEXTS,
  }),
  serviceAccount: block({ create: z.boolean(), name: z.string(), annotations: TEXTS }),
  networkPolicy: block({ enabled: z.boolean(), from: OBJECTS, decideFrom: OBJECTS, metricsFrom: OBJECTS }),
  protectedPods: block({
    podSelector: block({ matchLabels: TEXTS, matchExpressions: OBJECTS }),
    ports: z.array(PORT),
  }),
  podDisruptionBudget: block({
    enabled: z.boolean(),
    maxUnavailable: z.union([z.int().min(0), z.string().regex(/^[0-9]{1,3}%$/)]),
  }),
  autoscaling: block({
    enabled: z.boolean(),
    minReplicas: z.int().min(1),
    maxReplicas: z.int().min(1),
    cpu: QUANTITY,
    behavior: OBJECT,
  }),
  httpRoute: block({
    enabled: z.boolean(),
    annotations: TEXTS,
    parentRefs: NAMED,
    hostnames: z.array(z.string()),
  }),
  ingress: block({
    enabled: z.boolean(),
    className: z.string(),
    annotations: TEXTS,
    hosts: z.array(z.string().min(1)),
    tls: OBJECTS,
  }),
  podMonitor: block({ enabled: z.boolean(), interval: z.string(), labels: TEXTS }),
  prometheusRule: block({ enabled: z.boolean(), labels: TEXTS }),
  dashboard: block({ enabled: z.boolean(), labels: TEXTS, annotations: TEXTS }),
  resources: block({ requests: OBJECT, limits: OBJECT, claims: OBJECTS }),
  securityContext: OBJECT,
  podSecurityContext: OBJECT,
  preStopSeconds: SECONDS,
  terminationGracePeriodSeconds: SECONDS,
  podLabels: TEXTS,
  podAnnotations: TEXTS,
  nodeSelector: TEXTS,
  tolerations: OBJECTS,
  affinity: OBJECT,
  topologySpreadConstraints: OBJECTS,
  priorityClassName: z.string(),
  test: block({ enabled: z.boolean(), online: z.boolean() }),
  nameOverride: z.string(),
  fullnameOverride: z.string(),
  /** Helm gives it to a chart that is part of another one. */
  global: OBJECT,
})
