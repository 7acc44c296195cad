/**
 * Writes the configuration of HAProxy as a TLS terminator.
 *
 * `ssl_c_used` is also true of a resumed session, where `ssl_fc_has_crt` is false although the certificate is known.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TerminatorCommand, TerminatorSite } from './terminator.ts'

export function haproxyCommand({
  port,
  server,
  upstream,
  prefix,
  onwards,
  folder,
  configFile,
}: TerminatorSite): TerminatorCommand {
  // HAProxy wants certificate and key in one file.
  const pemFile = join(folder, 'server.pem')
  writeFileSync(pemFile, `${server.cert}${server.key}`)
  const verify = `verify optional ca-file ${pemFile} ca-ignore-err all crt-ignore-err all`
  const strip = [
    `  http-request deny deny_status 404 unless { path_beg ${prefix}/ }`,
    `  http-request replace-path ${prefix}/(.*) /\\1`,
  ]
  const config = `
global
  nbthread 1
  log stderr format raw local0
defaults
  mode http
  log global
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend tls
  bind 127.0.0.1:${port} ssl crt ${pemFile} alpn h2,http/1.1 ${verify}
  http-request del-header Client-Cert
  http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
  http-request set-header X-Forwarded-Proto https
${prefix === '' ? '' : strip.join('\n')}
  default_backend app
backend app
  server app ${upstream.host}:${upstream.port}${onwards === 'HTTP/2' ? ' proto h2' : ''}
`
  return { config, args: ['-db', '-f', configFile] }
}
