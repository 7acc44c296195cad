/**
 * Writes the configuration of Envoy as a TLS terminator.
 *
 * `SANITIZE_SET` replaces what the client sent as `X-Forwarded-Client-Cert`, and `APPEND_FORWARD` puts its own element
 * after that. `ACCEPT_UNTRUSTED` is what makes it ask for a certificate at all where no authority is named.
 */
import type { TerminatorCommand, TerminatorSite } from './terminator.ts'

const EXTENSIONS = 'type.googleapis.com/envoy.extensions'

const HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
/** Without TLS nobody can agree on it, so Envoy begins with it. */
const HTTP2_ALONE = { '@type': `type.googleapis.com/${HTTP}`, explicit_http_config: { http2_protocol_options: {} } }

export function envoyCommand(site: TerminatorSite): TerminatorCommand {
  const { port, server, upstream, prefix, configFile } = site
  const route =
    prefix === ''
      ? { match: { prefix: '/' }, route: { cluster: 'app' } }
      : { match: { prefix: `${prefix}/` }, route: { cluster: 'app', prefix_rewrite: '/' } }
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'tls',
    use_remote_address: true,
    forward_client_cert_details: site.envoyForwarding,
    set_current_client_cert_details: Object.fromEntries(site.envoyDetails.map(detail => [detail, true])),
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } },
    ],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
  }
  const tls = {
    '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`,
    require_client_certificate: false,
    common_tls_context: {
      alpn_protocols: ['h2', 'http/1.1'],
      tls_certificates: [
        { certificate_chain: { filename: server.certFile }, private_key: { filename: server.keyFile } },
      ],
      validation_context: { trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    },
  }
  const config = {
    static_resources: {
      listeners: [
        {
          name: 'tls',
          address: address('127.0.0.1', port),
          filter_chains: [
            {
              transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'app',
          connect_timeout: '5s',
          ...(site.onwards === 'HTTP/2' && { typed_extension_protocol_options: { [HTTP]: HTTP2_ALONE } }),
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream.host, upstream.port) } }] }],
          },
        },
      ],
    },
  }
  return {
    config: JSON.stringify(config, null, 2),
    args: ['-c', configFile, '--concurrency', '1', '--disable-hot-restart', '-l', 'warning'],
  }
}

function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } }
}
