/**
 * Runs Envoy as a peer, with `jwt_authn` and one worker thread. Its RBAC filter checks the scope,
 * and claims go out as headers.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, start } from '../processes.ts'
import { AUDIENCE, ISSUER, SCOPE } from '../tokens.ts'
import { envoyBinary } from '../tools.ts'
import { type Peer, type RunningPeer, type Site, scratch, whenListening } from './peer.ts'

export const envoy: Peer = envoyTo('http1')

/** @param protocol by which it speaks to the service */
export function envoyTo(protocol: 'http1' | 'h2c'): Peer {
  return { name: 'Envoy jwt_authn', isGuard: true, start: site => started(site, protocol) }
}

async function started(site: Site, protocol: 'http1' | 'h2c'): Promise<RunningPeer> {
  const binary = await envoyBinary()
  const [port, folder] = [await freePort(), scratch('envoy')]
  const file = join(folder, 'envoy.json')
  writeFileSync(file, JSON.stringify(configuration(site, port, protocol)))
  const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error']
  const child = start(binary, args, { place: 'gateway' })
  const url = `http://127.0.0.1:${port}`
  await whenListening(url, child)
  return { name: 'Envoy jwt_authn', isGuard: true, url, pid: child.pid, stop: child.stop }
}

const EXTENSIONS = 'type.googleapis.com/envoy.extensions'

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
}

function configuration({ keys, upstreamPort }: Site, port: number, protocol: 'http1' | 'h2c'): object {
  const metadata = 'claims'
  const filters = [
    {
      name: 'envoy.filters.http.jwt_authn',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication`,
        providers: {
          main: {
            issuer: ISSUER,
            audiences: [AUDIENCE],
            require_expiration: true,
            local_jwks: { inline_string: JSON.stringify({ keys: [...keys.values()].map(({ jwk }) => jwk) }) },
            payload_in_metadata: metadata,
            claim_to_headers: [
              { header_name: 'x-auth-issuer', claim_name: 'iss' },
              { header_name: 'x-auth-subject', claim_name: 'sub' },
              { header_name: 'x-auth-client', claim_name: 'client_id' },
              { header_name: 'x-auth-scope', claim_name: 'scope' },
            ],
            // The cache is off by default; with it a token is verified once, as here.
            jwt_cache_config: { jwt_cache_size: 10_000 },
          },
        },
        rules: [{ match: { prefix: '/orders' }, requires: { provider_name: 'main' } }],
      },
    },
    {
      name: 'envoy.filters.http.rbac',
      typed_config: {
        '@type': `${EXTENSIONS}.filters.http.rbac.v3.RBAC`,
        rules: {
          action: 'ALLOW',
          policies: { orders: { permissions: [{ any: true }], principals: [scopePrincipal(metadata)] } },
        },
      },
    },
    { name: 'envoy.filters.http.router', typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` } },
  ]
  return {
    static_resources: {
      listeners: [
        {
          name: 'gateway',
          address: address(port),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'gateway',
                    http_filters: filters,
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/orders/' }, route: { cluster: 'app' } }],
                        },
                      ],
                    },
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'app',
          connect_timeout: '2s',
          ...(protocol === 'http1' ? {} : { typed_extension_protocol_options: HTTP2 }),
          circuit_breakers: { thresholds: [{ max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 }] },
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
          },
        },
      ],
    },
  }
}

function scopePrincipal(metadata: string): object {
  return {
    metadata: {
      filter: 'envoy.filters.http.jwt_authn',
      path: [{ key: metadata }, { key: 'scope' }],
      value: { string_match: { safe_regex: { regex: `(.* )?${SCOPE}( .*)?` } } },
    },
  }
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
