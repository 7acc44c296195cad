/**
 * Writes the configuration of nginx as a TLS terminator.
 *
 * `optional_no_ca` asks for a certificate and takes any. nginx has no variable with the bare DER, so the header is
 * percent-encoded PEM. A header whose value is empty is not sent, which also removes what the client sent.
 */
import { join } from 'node:path'
import type { TerminatorCommand, TerminatorSite } from './terminator.ts'

export function nginxCommand({
  port,
  server,
  upstream,
  prefix,
  nginxPath,
  folder,
  configFile,
}: TerminatorSite): TerminatorCommand {
  const strippedBy = { none: '', normalised: '/', exact: '$below_prefix' }[prefix === '' ? 'none' : nginxPath]
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const config = `
daemon off;
master_process off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr info;
events { worker_connections 512; }
http {
  access_log off;
${temporary.map(name => `  ${name}_temp_path ${join(folder, name)};`).join('\n')}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  map $request_uri $below_prefix { ~^${prefix}(/.*)$ $1; }
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${server.certFile};
    ssl_certificate_key ${server.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_verify_client optional_no_ca;
    ssl_session_cache shared:sessions:1m;
    location ${prefix}/ {
      if ($below_prefix = '') { return 404; }
      proxy_pass http://${upstream.host}:${upstream.port}${strippedBy};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
    }
  }
}
`
  return { config, args: ['-p', folder, '-e', 'stderr', '-c', configFile] }
}
