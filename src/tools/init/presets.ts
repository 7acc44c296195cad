/**
 * Holds what the starter file says about each identity provider: its issuer, its audience, where its roles are, and its
 * pitfalls.
 *
 * The names are each product's own, taken from its reference of tokens as of 2026. Placeholders are in capitals.
 */

export interface Preset {
  readonly summary: string
  readonly issuer: string
  /** These lines go with the issuer above, and are left out where another one is given. */
  readonly issuerLines: readonly string[]
  readonly audience: string
  /** These lines become comments above `issuer`; they are written without `#`. */
  readonly issuerNotes: readonly string[]
  /** These lines become comments above `audiences`; they are written without `#`. */
  readonly audienceNotes: readonly string[]
  /** These lines are added to the provider. */
  readonly providerLines: readonly string[]
  /** These lines become `identity.headers`; without any, the default headers are kept. */
  readonly identityLines: readonly string[]
  /** The example routes that read and that write have these lines under `require`; of a server of MCP its tools do. */
  readonly read: string
  readonly write: string
  /** Tokens are those of workloads: the name of their trust domain stands in place of `issuer`. */
  readonly type?: 'spiffe'
  /** What the routes are for: a web API, unless it says otherwise. */
  readonly serves?: 'mcp'
}

const SCOPES = {
  read: 'scopes: [orders:read]',
  write: 'scopes: [orders:write]',
} as const

export const PRESETS = {
  generic: {
    summary: 'any OpenID or OAuth provider that issues JWT access tokens',
    issuer: 'https://auth.example.com/',
    issuerLines: [],
    audience: 'https://api.example.com',
    issuerNotes: [],
    audienceNotes: ['What the provider calls this API. A token for another API is refused, however valid it is.'],
    providerLines: [],
    identityLines: [],
    ...SCOPES,
  },
  keycloak: {
    summary: 'Keycloak',
    issuer: 'https://KEYCLOAK/realms/REALM',
    issuerLines: [],
    audience: 'orders-api',
    issuerNotes: ['The realm’s URL without a slash at its end; before Keycloak 17 with /auth before /realms.'],
    audienceNotes: [
      'Keycloak puts a client into `aud` only if told to: add an "Audience" mapper to a client scope, and that scope to',
      'the clients that call. Without it `aud` is just `account`.',
    ],
    providerLines: ['rolesClaim: /realm_access/roles # roles of a client: /resource_access/CLIENT/roles'],
    identityLines: [
      'X-Auth-Subject: sub',
      'X-Auth-User: preferred_username',
      'X-Auth-Client: azp',
      'X-Auth-Scope: scope',
      'X-Auth-Roles: { claim: /realm_access/roles, join: "," }',
    ],
    read: 'anyRole: [orders-reader, orders-writer]',
    write: 'roles: [orders-writer]',
  },
  auth0: {
    summary: 'Auth0',
    issuer: 'https://TENANT.eu.auth0.com/',
    issuerLines: [],
    audience: 'https://api.example.com',
    issuerNotes: ['With the slash at its end. With a custom domain, that domain.'],
    audienceNotes: [
      'The API’s identifier. A client that asks for no audience gets an opaque token, which is no JWT and is refused.',
    ],
    providerLines: ['rolesClaim: permissions # with RBAC and "Add Permissions in the Access Token"'],
    identityLines: [],
    ...SCOPES,
  },
  entra: {
    summary: 'Microsoft Entra ID (Azure AD)',
    issuer: 'https://login.microsoftonline.com/{tid}/v2.0',
    issuerLines: [
      '# The tenants whose users and apps may call: yours, and those of your customers. `any` would let in anybody who',
      '# owns a tenant, with every role in it.',
      'tenants: { tid: [TENANT-ID] }',
      'keys: { jwksUri: https://login.microsoftonline.com/common/discovery/v2.0/keys }',
    ],
    audience: 'CLIENT-ID',
    issuerNotes: [
      'For v2.0 tokens: set `requestedAccessTokenVersion: 2` in the API’s manifest. v1.0 tokens, the default, have',
      '`iss: https://sts.windows.net/TENANT-ID/` and `aud: api://CLIENT-ID`. `{tid}` is the tenant of the token.',
    ],
    audienceNotes: [
      'The API’s application (client) id. Tokens for Microsoft Graph are for Microsoft alone and never verify.',
    ],
    providerLines: ['requiredClaims: [tid] # users’ scopes are in `scp`, which is found; app roles are in `roles`'],
    identityLines: [
      'X-Auth-Subject: oid',
      'X-Auth-Client: azp',
      'X-Auth-Scope: scope',
      'X-Auth-Tenant: tid',
      'X-Auth-Roles: roles',
    ],
    read: 'scopes: [Orders.Read]',
    write: 'scopes: [Orders.Write]',
  },
  cognito: {
    summary: 'Amazon Cognito user pools',
    issuer: 'https://cognito-idp.REGION.amazonaws.com/POOL-ID',
    issuerLines: [],
    audience: 'CLIENT-ID',
    issuerNotes: ['Without a slash at its end.'],
    audienceNotes: [
      'Cognito’s access tokens have no `aud`, but say in `client_id` which app client asked for them: list those that may',
      'call. Where clients ask for an `aud` (`resource=`; managed login, Essentials or Plus), leave `audienceClaim` out.',
    ],
    providerLines: ['audienceClaim: client_id', 'rolesClaim: cognito:groups'],
    identityLines: [
      'X-Auth-Subject: sub',
      'X-Auth-User: username',
      'X-Auth-Client: client_id',
      'X-Auth-Scope: scope',
      'X-Auth-Groups: { claim: "cognito:groups", join: "," }',
    ],
    read: 'scopes: [orders/read]',
    write: 'scopes: [orders/write]',
  },
  google: {
    summary: 'Google: ID tokens of users, and of service accounts of Google Cloud',
    issuer: 'https://accounts.google.com',
    issuerLines: ['issuerAliases: [accounts.google.com]', 'keys: { hosts: [www.googleapis.com] }'],
    audience: 'CLIENT-ID.apps.googleusercontent.com',
    issuerNotes: ['Google writes `iss` with and without https://. Its keys are on another host than its issuer.'],
    audienceNotes: [
      'The OAuth client’s id. A service account asks for a token for any audience, such as the URL of this service.',
      'Google’s access tokens (ya29.…) are opaque; callers send the ID token.',
    ],
    providerLines: ['requiredClaims: [sub] # there are neither roles nor scopes, so routes ask for claims'],
    identityLines: ['X-Auth-Subject: sub', 'X-Auth-User: email', 'X-Auth-Client: azp', 'X-Auth-Domain: hd'],
    // Anybody can have a Google account, so that a token alone says nothing.
    read: 'claims: { hd: example.com }',
    write: 'claims: { hd: example.com, email: [alice@example.com, bob@example.com] }',
  },
  uaa: {
    summary: 'UAA of Cloud Foundry',
    issuer: 'https://UAA/oauth/token',
    issuerLines: ['keys: { jwksUri: https://UAA/token_keys }'],
    audience: 'orders',
    issuerNotes: ['As `issuer` in https://UAA/.well-known/openid-configuration.'],
    audienceNotes: ['UAA makes `aud` of the scopes: `orders.read` has the audience `orders`.'],
    providerLines: [
      'ignoredHeaders: [jku] # UAA puts the address of its keys into each token; they come from `keys` all the same',
    ],
    identityLines: [
      'X-Auth-Subject: sub',
      'X-Auth-User: user_name',
      'X-Auth-Client: client_id',
      'X-Auth-Scope: scope',
      'X-Auth-Zone: zid',
    ],
    read: 'scopes: [orders.read]',
    write: 'scopes: [orders.write]',
  },
  kubernetes: {
    summary: 'ServiceAccount tokens of the cluster: callers are other pods',
    issuer: 'https://kubernetes.default.svc.cluster.local',
    issuerLines: [],
    audience: 'orders',
    issuerNotes: ['See yours with: kubectl get --raw /.well-known/openid-configuration'],
    audienceNotes: [
      'Callers mount a token for it: projected: { sources: [{ serviceAccountToken: { audience: orders, path: token } }] }',
    ],
    providerLines: [
      '# The gateway’s pod needs a token of its own here. In this project’s manifests, k8s/components/cluster-token mounts',
      '# it; a pod whose token is mounted automatically has it already.',
      'keys:',
      '  jwksUri: https://kubernetes.default.svc/openid/v1/jwks',
      '  caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
      '  bearerFile: /var/run/secrets/kubernetes.io/serviceaccount/token',
      '  # Outlives a restart of the container. Without such a volume, leave it out.',
      '  cacheFile: /var/cache/sallyport/main-keys.json',
    ],
    identityLines: [
      'X-Auth-Subject: sub',
      'X-Auth-Namespace: /kubernetes.io/namespace',
      'X-Auth-Service-Account: /kubernetes.io/serviceaccount/name',
    ],
    read: 'claims: { /kubernetes.io/namespace: [shop, billing] }',
    write: 'claims: { sub: "system:serviceaccount:shop:checkout" }',
  },
  spiffe: {
    summary: 'workloads with JWT-SVIDs, such as SPIRE issues them',
    type: 'spiffe',
    issuer: 'example.org',
    issuerLines: [
      '# Where SPIRE publishes the keys of the trust domain (profile `https_web`). Or a file: `spire-server bundle show',
      '# -format spiffe`, mounted from a ConfigMap.',
      'bundle: { url: https://spire-bundle.example.org/ }',
    ],
    audience: 'orders',
    issuerNotes: [],
    audienceNotes: ['What callers ask their SVID for, such as the name of this service.'],
    providerLines: [],
    identityLines: ['X-Auth-Subject: sub'],
    read: 'claims: { sub: [spiffe://example.org/ns/shop/sa/checkout, spiffe://example.org/ns/shop/sa/billing] }',
    write: 'claims: { sub: spiffe://example.org/ns/shop/sa/checkout }',
  },
  mcp: {
    summary: 'a server of the Model Context Protocol',
    issuer: 'https://auth.example.com/',
    issuerLines: [],
    audience: 'https://mcp.example.com/mcp',
    issuerNotes: [
      'Clients are told of it, and get their tokens there: it must take the parameter `resource` (RFC 8707).',
    ],
    audienceNotes: ['The URL of the server, as under `resources`: clients ask for a token for it.'],
    providerLines: [],
    identityLines: [],
    ...SCOPES,
    serves: 'mcp',
  },
} as const satisfies Record<string, Preset>

export type PresetName = keyof typeof PRESETS
