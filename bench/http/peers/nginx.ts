/**
 * Runs nginx as a peer: a plain proxy in one process, whose connections to the upstream are kept. It
 * checks nothing, and so is the floor.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, start } from '../processes.ts'
import { type Peer, scratch, whenListening } from './peer.ts'

export const nginx: Peer = {
  name: 'nginx, no checks',
  isGuard: false,
  async start({ upstreamPort }) {
    const [port, folder] = [await freePort(), scratch('nginx')]
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configuration(port, upstreamPort, folder))
    const child = start('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], { place: 'gateway' })
    const url = `http://127.0.0.1:${port}`
    await whenListening(url, child)
    return { name: 'nginx, no checks', isGuard: false, url, pid: child.pid, stop: child.stop }
  },
}

function configuration(port: number, upstreamPort: number, folder: string): string {
  return `
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 100000000;
  upstream app { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }
}
`
}
