/**
 * Writes the configuration of Envoy that asks us by `ext_authz` over HTTP.
 *
 * Envoy asks with the headers that are listed alone, and removes those that a yes lists. So every spelling of a managed
 * name is asked with, since the gateway names for removal what it has seen; and every one of a name that a condition
 * reads, since it refuses what a service could read in its place.
 */
import type { Address } from '../../config/schema/schema.ts'
import { CORS_LINES, type Site } from './site.ts'
import { head, indented, quoted, spellings } from './written.ts'

const TYPE = 'type.googleapis.com/envoy.extensions'

export function envoySnippet(site: Site): string {
  const { listen, read, judged, told, prefixes, untold, clearedFirst, refusing, besides, own } = site
  const managed = [...told.map(spellings), ...prefixes.map(prefix => `${spellings(prefix)}.*`)]
  const replaced = ['X-Request-Id', ...(site.answersPreflights ? CORS_LINES : [])].map(name => name.toLowerCase())
  const toClient = [...refusing, 'Cache-Control', 'Content-Type'].map(name => name.toLowerCase())
  return [
    head(site, 'Envoy asks Sallyport before it forwards a request (ext_authz over HTTP).', [
      'Yours: the address of the listener, TLS, and where the service is.',
    ]),
    `
static_resources:
  listeners:
    - name: http
      address: ${socket(listen)}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": ${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: http
                use_remote_address: true
                # The service sees the path that was judged, byte for byte.
                normalize_path: false
                merge_slashes: false
                path_with_escaped_slashes_action: KEEP_UNCHANGED
                # A service may read X_Auth_Subject as X-Auth-Subject.
                common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER }
                upgrade_configs: [{ upgrade_type: websocket }]
                # What only a proxy may say, in any spelling. Envoy sets some of them itself, after this.
                early_header_mutation_extensions:
                  - name: envoy.http.early_header_mutation.header_mutation
                    typed_config:
                      "@type": ${TYPE}.http.early_header_mutation.header_mutation.v3.HeaderMutation
                      mutations:
`,
    indented(
      clearedFirst.map(
        name => `- remove_on_match: { key_matcher: { safe_regex: { regex: ${quoted(spellings(name))} } } }`,
      ),
      '                        ',
    ),
    `                http_filters:
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": ${TYPE}.filters.http.ext_authz.v3.ExtAuthz
                      # Nothing passes while the gateway cannot be asked.
                      failure_mode_allow: false
                      status_on_error: { code: ServiceUnavailable }
                      allowed_headers:
                        patterns:
                          # What a decision reads.
`,
    indented(
      [
        ...read.filter(name => !judged.includes(name)).map(name => `- exact: ${quoted(name)}`),
        ...judged.map(name => `- safe_regex: { regex: ${quoted(spellings(name))} }`),
      ],
      '                          ',
    ),
    '                          # What the gateway says itself: it names for removal what it has seen of the client.\n',
    indented(
      managed.map(pattern => `- safe_regex: { regex: ${quoted(pattern)} }`),
      '                          ',
    ),
    `                      http_service:
                        server_uri: { uri: "http://sallyport", cluster: sallyport_decide, timeout: 10s }
                        path_prefix: /decide
                        authorization_response:
                          # Who is calling.
                          allowed_upstream_headers:
                            patterns:
`,
    indented(
      told.map(name => `- exact: ${quoted(name.toLowerCase())}`),
      '                              ',
    ),
    `                          # What the client is told, with a no and with a yes.
                          allowed_client_headers:
                            patterns:
`,
    indented(
      toClient.map(name => `- exact: ${quoted(name)}`),
      '                              ',
    ),
    `                          allowed_client_headers_on_success:
                            patterns:
`,
    indented(
      besides.map(name => `- exact: ${quoted(name.toLowerCase())}`),
      '                              ',
    ),
    `                  - name: envoy.filters.http.router
                    typed_config: { "@type": ${TYPE}.filters.http.router.v3.Router }
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
`,
    indented(
      [
        'routes:',
        ...(own?.paths ?? []).flatMap(path => [
          '  # The gateway answers here itself. List this proxy in `listen.trustedProxies`.',
          `  - match: { path: ${quoted(path)} }`,
          '    route: { cluster: sallyport_gateway }',
          '    typed_per_filter_config:',
          '      envoy.filters.http.ext_authz:',
          `        "@type": ${TYPE}.filters.http.ext_authz.v3.ExtAuthzPerRoute`,
          '        disabled: true',
        ]),
        '  - match: { prefix: "/" }',
        '    route: { cluster: service, timeout: 0s }',
        // Of the service alone: what the gateway answers itself stays whole.
        ...(untold.includes('dpop') ? ['    request_headers_to_remove: [dpop]'] : []),
        `    response_headers_to_remove: [${replaced.join(', ')}]`,
      ],
      '                      ',
    ),
    '  clusters:\n',
    indented(cluster('service', site.service), '    '),
    indented(cluster('sallyport_decide', site.decide), '    '),
    own === undefined ? '' : indented(cluster('sallyport_gateway', own.address), '    '),
    LONG_PATTERNS,
  ].join('')
}

/** A name has up to 128 characters, and a pattern for all of its spellings three steps for each `-`. */
const LONG_PATTERNS = `
# Envoy refuses patterns of more than 100 steps by itself, and those of long names have more.
layered_runtime:
  layers: [{ name: sallyport, static_layer: { re2.max_program_size.error_level: 500 } }]
`

/** Envoy resolves nothing for a Unix socket, and takes none from a cluster that it would resolve names of. */
function cluster(name: string, address: Address): readonly string[] {
  return [
    `- name: ${name}`,
    '  connect_timeout: 2s',
    `  type: ${'socketPath' in address ? 'STATIC' : 'STRICT_DNS'}`,
    '  load_assignment:',
    `    cluster_name: ${name}`,
    `    endpoints: [{ lb_endpoints: [{ endpoint: { address: ${socket(address)} } }] }]`,
  ]
}

function socket(address: Address): string {
  if ('socketPath' in address) return `{ pipe: { path: ${quoted(address.socketPath)} } }`
  return `{ socket_address: { address: ${quoted(address.host)}, port_value: ${address.port} } }`
}
