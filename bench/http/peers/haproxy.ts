/**
 * Runs HAProxy as a peer, with one thread, `jwt_verify` and the same claim checks: the cheapest
 * right way that its manual offers.
 *
 * It verifies every token on every request. It has no JSON arrays to pass on, so `roles` is left out, to its advantage.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, start } from '../processes.ts'
import { AUDIENCE, ISSUER, SCOPE } from '../tokens.ts'
import { type Peer, type Site, scratch, whenListening } from './peer.ts'

export const haproxy: Peer = haproxyWith()

/** @param certificate PEM file of a key and its certificate; left out, clients come without TLS */
export function haproxyWith(certificate?: string): Peer {
  const name = 'HAProxy'
  return {
    ...{ name, isGuard: true, algorithms: new Set(['RS256', 'ES256']) },
    async start(site) {
      const [port, folder] = [await freePort(), scratch('haproxy')]
      const file = join(folder, 'haproxy.cfg')
      writeFileSync(file, configuration(site, port, folder, certificate))
      const child = start('haproxy', ['-db', '-q', '-f', file], { place: 'gateway' })
      const url = `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
      await whenListening(url, child)
      return { name, isGuard: true, url, pid: child.pid, stop: child.stop }
    },
  }
}

function configuration({ keys, upstreamPort }: Site, port: number, folder: string, certificate?: string): string {
  const pem = (algorithm: 'RS256' | 'ES256'): string => {
    const file = join(folder, `${algorithm}.pem`)
    writeFileSync(file, keys.get(algorithm)?.publicPem ?? '')
    return file
  }
  return `
global
  nbthread 1
  maxconn 4000
  tune.bufsize 16384
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  http-reuse always
frontend gateway
  bind 127.0.0.1:${port} backlog 4096${certificate === undefined ? '' : ` ssl crt ${certificate}`}
  acl is_orders path_beg /orders/
  http-request return status 200 if { path /healthz }
  http-request deny deny_status 404 unless is_orders
  http-request set-var(txn.bearer) http_auth_bearer
  http-request deny deny_status 401 unless { var(txn.bearer) -m found }
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 ES256 }
  http-request deny deny_status 401 if { var(txn.alg) -m str RS256 } !{ var(txn.bearer),jwt_verify(txn.alg,"${pem('RS256')}") -m int 1 }
  http-request deny deny_status 401 if { var(txn.alg) -m str ES256 } !{ var(txn.bearer),jwt_verify(txn.alg,"${pem('ES256')}") -m int 1 }
  http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
  http-request deny deny_status 401 unless { var(txn.iss) -m str "${ISSUER}" }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str "${AUDIENCE}" }
  http-request set-var(txn.now) date()
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 unless { var(txn.exp),sub(txn.now) -m int gt 0 }
  http-request set-var(txn.scope) var(txn.bearer),jwt_payload_query('$.scope')
  http-request deny deny_status 403 unless { var(txn.scope) -m reg (^|\\ )${SCOPE}(\\ |$) }
  http-request del-header x-auth- -m beg
  http-request del-header authorization
  http-request set-header X-Auth-Issuer %[var(txn.iss)]
  http-request set-header X-Auth-Subject %[var(txn.bearer),jwt_payload_query('$.sub')]
  http-request set-header X-Auth-Client %[var(txn.bearer),jwt_payload_query('$.client_id')]
  http-request set-header X-Auth-Scope %[var(txn.scope)]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  default_backend app
backend app
  server app 127.0.0.1:${upstreamPort} maxconn 4000
`
}
