/**
 * Writes the configuration of nginx that asks us by `auth_request`.
 *
 * nginx knows a yes, 401 and 403. What else the gateway says arrives in `X-Sallyport-Status`, and is said to the client
 * by a location of its own. A header whose value is empty is not sent, so what is empty in a yes is taken away.
 */
import { hash } from 'node:crypto'
import type { Address } from '../../config/schema/schema.ts'
import { DENIAL_CODES, denialSpec } from '../../errors.ts'
import { CORS_LINES, type Site } from './site.ts'
import { head, hostPort, indented, quoted, titled, Unwritable } from './written.ts'

const ASKING = '/.sallyport/decide'

export function nginxSnippet(site: Site): string {
  const { told, untold, refusing, besides, own } = site
  const strange = told.find(name => !/^[A-Za-z0-9_-]+$/.test(name))
  if (strange !== undefined)
    throw new Unwritable(`nginx has no variable for the header ${strange}; give it a name of letters, digits and "-"`)
  const ownNames = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']
  return [
    head(site, 'nginx asks Sallyport before it forwards a request (auth_request).', [
      'Include it in `http`. Yours: `listen`, `server_name`, TLS, and where the service is.',
      'If other servers share its address, the default one of them has to have the lines about odd header names, too.',
    ]),
    `
upstream sallyport_decide { server ${server(site.decide)}; keepalive 32; }
upstream sallyport_service { server ${hostPort(site.service)}; keepalive 32; }
${own === undefined ? '' : `upstream sallyport_gateway { server ${server(own.address)}; }\n`}
# A connection becomes a WebSocket or stays what it is: what comes after a change to h2c, nobody would ask about.
map $http_upgrade $sallyport_upgrade { default ""; "~*^websocket$" websocket; }
map $sallyport_upgrade $sallyport_connection { default upgrade; "" ""; }
# nginx passes on the challenge of a 401 by itself.
map $sallyport_status $sallyport_challenge { default ${variable('WWW-Authenticate')}; 401 ""; }
${
  site.hasSessions
    ? `# The service does not get the cookie of the session.
map $http_cookie $sallyport_cookie {
  default $http_cookie;
  "~^(?<sallyport_before>.*?)(?:^|; *)__Host-sallyport=[^;]*(?<sallyport_after>.*)$" "$sallyport_before$sallyport_after";
}
`
    : ''
}
server {
  listen ${hostPort(site.listen)};
  server_name _;

  # A service may read X_Auth_Subject and X.Auth.Subject as X-Auth-Subject. Both are what nginx does by default.
  underscores_in_headers off;
  ignore_invalid_headers on;
  client_max_body_size ${site.bodyBytes};
  # Longer tokens than 8k are the gateway's to judge.
  large_client_header_buffers 4 ${site.headerBytes};
  proxy_http_version 1.1;
  proxy_headers_hash_max_size 2048;
  proxy_headers_hash_bucket_size 256;

  location = ${ASKING} {
    internal;
    proxy_pass http://sallyport_decide/decide;
    proxy_connect_timeout 2s;
    proxy_read_timeout 10s;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    # A handshake of a WebSocket is judged as one.
    proxy_set_header Upgrade $sallyport_upgrade;
    proxy_set_header Connection $sallyport_connection;
    # A yes may have a token and long claims. What does not fit counts as a failure.
    proxy_buffer_size ${site.yesBytes};
    proxy_buffers 4 ${site.yesBytes};
    # What is asked about. Each line replaces what the client has sent under this name.
    proxy_set_header X-Original-URI $request_uri;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
  }

  location / {
    auth_request ${ASKING};
    auth_request_set $sallyport_code $upstream_http_x_sallyport_code;
    auth_request_set $sallyport_status $upstream_http_x_sallyport_status;
`,
    indented(
      [...new Set([...refusing, ...told].map(name => name.toLowerCase()))].map(
        name => `auth_request_set ${variable(name)} $upstream_http_${name.replaceAll('-', '_')};`,
      ),
      '    ',
    ),
    `    # A 500 here is a gateway that cannot judge, or that is not there. Those of the service pass.
    error_page 401 403 500 = @sallyport_refused;
    proxy_intercept_errors off;

    # As the client sent it, so that the service sees the path that was judged: nothing may follow the name.
    proxy_pass http://sallyport_service;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $sallyport_upgrade;
    proxy_set_header Connection $sallyport_connection;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Request-Id ${variable('x-request-id')};
${site.hasSessions ? '    proxy_set_header Cookie $sallyport_cookie;\n' : ''}    # Who is calling. What is empty is not sent.
`,
    indented(
      told.map(name => `proxy_set_header ${name} ${variable(name)};`),
      '    ',
    ),
    '    # What only a proxy may say, and the service could believe.\n',
    indented(
      untold.filter(name => !ownNames.includes(name)).map(name => `proxy_set_header ${titled(name)} "";`),
      '    ',
    ),
    '    # What the client is told besides.\n    proxy_hide_header X-Request-Id;\n',
    site.answersPreflights
      ? indented(
          CORS_LINES.map(name => `proxy_hide_header ${name};`),
          '    ',
        )
      : '',
    answers(besides),
    '  }\n',
    `
  # Says what the gateway has said, in its own status.
  location @sallyport_refused {
    default_type application/problem+json;
`,
    answers([...refusing, 'X-Sallyport-Code', 'Cache-Control']),
    `    set $sallyport_problem '{"status":$sallyport_status,"code":"$sallyport_code","request_id":"${variable('x-request-id')}"}\\n';
`,
    indented(
      statuses().map(
        status =>
          `if ($sallyport_status = ${status}) { return ${status}${status === 204 ? '' : ' $sallyport_problem'}; }`,
      ),
      '    ',
    ),
    '    # The gateway is not there.\n    return 503 "";\n  }\n',
    own === undefined ? '' : ownLocations(own.paths),
    '}\n',
  ].join('')
}

function server(address: Address): string {
  return 'socketPath' in address ? quoted(`unix:${address.socketPath}`) : hostPort(address)
}

/** nginx has no room for longer ones in `variables_hash_bucket_size`, which is not ours to set. */
const LONGEST_WORD = 34

/** No header has the name of one of the variables above: one may be called `Status`. */
function variable(name: string): string {
  const word = name.toLowerCase().replaceAll('-', '_')
  return `$sallyport_h_${word.length > LONGEST_WORD ? `${word.slice(0, 25)}_${hash('sha256', word).slice(0, 8)}` : word}`
}

const VALUES: Readonly<Record<string, string>> = {
  'X-Sallyport-Code': '$sallyport_code',
  'Cache-Control': 'no-store',
  'WWW-Authenticate': '$sallyport_challenge',
}

function answers(names: readonly string[]): string {
  return indented(
    names.map(name => `add_header ${name} ${VALUES[name] ?? variable(name)} always;`),
    '    ',
  )
}

/** A preflight is answered with 204. */
function statuses(): readonly number[] {
  const refused = DENIAL_CODES.map(code => denialSpec(code).status).filter(status => status >= 400)
  return [204, ...new Set(refused)].toSorted((a, b) => a - b)
}

function ownLocations(paths: readonly string[]): string {
  const lines = paths.flatMap(path => [
    `location = ${quoted(path)} {`,
    '  proxy_pass http://sallyport_gateway;',
    '  proxy_set_header Host $http_host;',
    '  proxy_set_header X-Forwarded-For $remote_addr;',
    '  proxy_set_header X-Forwarded-Proto $scheme;',
    '}',
  ])
  return `
  # The gateway answers here itself. List this proxy in \`listen.trustedProxies\`, so that the lines count.
${indented(lines, '  ')}`
}
