/** Manifests in which nothing is to be found, so that a single change of them makes a single finding. */

export const GOOD = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: orders, namespace: shop }
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: sallyport
  namespace: shop
data:
  sallyport.yaml: |
    listen: 0.0.0.0:8080
    admin: { listen: 0.0.0.0:9090, appProbes: [/health] }
    drain: { timeout: 30s }
    providers:
      main:
        type: jwt
        issuer: https://auth.example.com/
        audiences: [https://orders.example.com]
        keys: { cacheFile: /var/cache/sallyport/keys.json }
    upstreams:
      app: http://127.0.0.1:3000
    tokenCache: { entries: 10000 }
    routes:
      - { id: health, path: /open/**, access: public }
      - { id: all, path: /orders/** }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels: { app: orders }
  template:
    metadata:
      labels: { app: orders, sallyport: sidecar }
    spec:
      serviceAccountName: orders
      terminationGracePeriodSeconds: 60
      initContainers:
        - name: sallyport
          image: registry.example.com/sallyport:0.1.0@sha256:0123
          restartPolicy: Always
          args: [run, -c, /etc/sallyport/sallyport.yaml]
          ports:
            - { name: gateway, containerPort: 8080 }
            - { name: gateway-admin, containerPort: 9090 }
          startupProbe:
            httpGet: { path: /livez, port: 9090 }
          readinessProbe:
            httpGet: { path: /readyz, port: 9090 }
          livenessProbe:
            httpGet: { path: /livez, port: 9090 }
          lifecycle:
            preStop:
              exec: { command: [node, -e, drain] }
          resources:
            requests: { cpu: 50m, memory: 96Mi }
            limits: { memory: 192Mi }
          securityContext:
            runAsNonRoot: true
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: config, mountPath: /etc/sallyport, readOnly: true }
            - { name: cache, mountPath: /var/cache/sallyport }
      containers:
        - name: orders
          image: registry.example.com/orders:1.0.0
          args: [-listen=127.0.0.1:3000]
          readinessProbe:
            httpGet: { path: /-/app/health, port: 9090 }
          lifecycle:
            preStop:
              sleep: { seconds: 10 }
      volumes:
        - name: config
          configMap: { name: sallyport }
        - name: cache
          emptyDir: {}
---
apiVersion: v1
kind: Service
metadata: { name: orders, namespace: shop }
spec:
  selector: { app: orders }
  ports:
    - name: http
      port: 80
      targetPort: 8080
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: orders, namespace: shop }
spec:
  podSelector:
    matchLabels: { sallyport: sidecar }
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: 8080
    - from: [{ podSelector: { matchLabels: { app: prometheus } } }]
      ports:
        - port: 9090
`

/** @throws {Error} a part is not there, so that no change is silently none */
export function changed(text: string, ...parts: ReadonlyArray<readonly [from: string, to: string]>): string {
  return parts.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`there is no ${JSON.stringify(from)}`)
    return before.replace(from, () => to)
  }, text)
}
