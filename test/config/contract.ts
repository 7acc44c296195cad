/** Holds an example that shows every block of a configuration, as users see it. */
export const CONTRACT = `# yaml-language-server: $schema=./sallyport.schema.json
listen: 0.0.0.0:8080            # or unix:/run/sallyport.sock, or a block: { address, tls: { certFile, keyFile, clientCaFile }, trustedProxies: [] }
admin: { listen: 127.0.0.1:9090 }

providers:                      # where tokens come from; the id is the metric label
  main:
    type: jwt
    issuer: https://auth.example.com/     # compared byte for byte with \`iss\`
    audiences: [https://api.example.com]  # at least one; a token must carry at least one of them
    algorithms: [RS256, ES256]            # default: every asymmetric algorithm the key set can serve; HS* only with keys.secretFile
    keys: { jwksUri: https://auth.example.com/jwks.json }
    clockTolerance: 5s
    maxLifetime: 24h            # optional: refuse a token whose exp - iat is longer (iat is then required)
    tokenType: compatible       # compatible (no typ, JWT, at+jwt) | at+jwt (RFC 9068, strict)
    requiredClaims: [sub]
    scopeClaim: scope           # default: \`scope\`, or \`scp\` where that is missing or empty; a string split on spaces or an array of strings
    rolesClaim: /realm_access/roles   # a claim name, or a JSON Pointer when it starts with /; default \`roles\`

upstreams:
  app: http://127.0.0.1:3000    # or unix:/run/app.sock, https://…, or a block: { url, timeouts: { connect: 2s, headers: 30s, idle: 60s }, tls: { caFile, serverName, certFile, keyFile } }

identity:                       # what the upstream is told; this block replaces the default set
  headers:
    X-Auth-Subject: sub
    X-Auth-Scope: scope
    X-Auth-Roles: { claim: /realm_access/roles, join: ',' }
  reserved: [X-Auth-*]          # stripped from every incoming request besides the names above
  forwardToken: false           # true passes Authorization on

limits: { tokenBytes: 12KiB, headerBytes: 24KiB, headers: 100, bodyBytes: 100MiB, headersTimeout: 10s, bodyIdleTimeout: 60s, connections: 10000 }
tokenCache: { entries: 10000 }
log: { level: info, access: all }   # access: all | denied | off

routes:
  - { id: health, path: /healthz, methods: [GET], access: public }
  - id: orders-read
    path: /orders/**
    methods: [GET]
    require: { scopes: [orders:read] }
  - id: orders-write
    path: /orders/:id
    methods: [PUT, DELETE]
    require:
      scopes: [orders:write]
      anyRole: [editor, admin]
      claims: { email_verified: true, tenant: [acme, globex] }
`
