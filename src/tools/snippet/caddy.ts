/**
 * Writes the configuration of Caddy that asks us by `forward_auth`.
 *
 * Caddy removes headers by name, or by how they begin. Older ones copy a header of the answer only if it has a value,
 * and leave that of the client otherwise (GHSA-7r4p-vjf4-gxv4), so those are removed before the question.
 */
import type { Address } from '../../config/schema/schema.ts'
import { NAME_MARKS } from '../../lib/field-name.ts'
import { CORS_LINES, type Site } from './site.ts'
import { bracketed, head, hostPort, indented, quoted, titled } from './written.ts'

export function caddySnippet(site: Site): string {
  const { listen, besides } = site
  return [
    head(site, 'Caddy asks Sallyport before it forwards a request (forward_auth).', [
      'Yours: the address of the site, TLS, and where the service is.',
    ]),
    `
http://:${listen.port} {
	bind ${bracketed(listen.host)}
	# In the order in which they stand here.
	route {
`,
    indented(
      [
        ...ownRoutes(site.own),
        'request_body {',
        `\tmax_size ${site.bodyBytes}`,
        '}',
        ...CONNECTION,
        ...cleared(site),
        ...question(site),
        ...removedAfter(site),
        '',
        '# What the client is told besides.',
        ...besides.flatMap(passedOn),
        '',
        '# As the client sent it: Caddy changes no path by itself, and no `rewrite` or `uri` may stand here.',
        `reverse_proxy ${hostPort(site.service)} {`,
        ...['X-Request-Id', ...(site.answersPreflights ? CORS_LINES : [])].map(name => `\theader_down -${name}`),
        '}',
      ],
      '\t\t',
    ),
    '\t}\n}\n',
  ].join('')
}

/**
 * What its client lists in `Connection`, Caddy would take away from what the gateway has said. And it would let its
 * client change to any protocol, h2c for one, in which nobody asks about what comes.
 */
const CONNECTION = [
  '',
  '# A client may list names in `Connection`, and Caddy forwards none of those. A connection becomes a WebSocket or',
  '# stays what it is: what comes after a change to h2c, nobody would ask about.',
  '@sallyport_websocket header_regexp Upgrade (?i)^websocket$',
  'request_header @sallyport_websocket Connection Upgrade',
  'request_header @sallyport_websocket Upgrade websocket',
  '@sallyport_plain not header_regexp Upgrade (?i)^websocket$',
  'request_header @sallyport_plain -Connection',
  'request_header @sallyport_plain -Upgrade',
]

function dialled(address: Address): string {
  return 'socketPath' in address ? quoted(`unix/${address.socketPath}`) : hostPort(address)
}

function ownRoutes(own: Site['own']): readonly string[] {
  if (own === undefined) return []
  return [
    '# The gateway answers here itself. List this proxy in `listen.trustedProxies`, so that it is told the scheme.',
    `@sallyport_own path ${own.paths.map(quoted).join(' ')}`,
    'handle @sallyport_own {',
    `\treverse_proxy ${dialled(own.address)}`,
    '}',
    '',
  ]
}

function cleared({ told, untold, clearedFirst, prefixes, read }: Site): readonly string[] {
  const kept = read.filter(name => !untold.includes(name))
  const isKept = (pattern: string): boolean => kept.some(name => name.startsWith(pattern.slice(0, -1).toLowerCase()))
  return [
    '',
    '# What only a proxy may say, in any spelling that a service could read as the same.',
    ...NAME_MARKS.map(mark => `X${mark}*`).map(removed),
    ...[...new Set(clearedFirst.flatMap(name => patterns(name, isKept)))].map(removed),
    '',
    '# What the gateway alone says, and what nobody may say.',
    ...told.filter(name => !read.includes(name.toLowerCase())).map(removed),
    ...prefixes
      .map(prefix => `${prefix}*`)
      .filter(pattern => !isKept(pattern))
      .map(removed),
  ]
}

/** `X-Forwarded*` takes `X-Forwarded.Uri` away, too. */
function patterns(name: string, isKept: (pattern: string) => boolean): readonly string[] {
  const words = titled(name).split('-')
  const pattern = `${words.slice(0, 2).join('-')}*`
  return words.length < 3 || isKept(pattern) ? [titled(name)] : [pattern]
}

function removed(pattern: string): string {
  return `request_header ${quoted(`-${pattern}`)}`
}

function question({ decide, told, answersPreflights }: Site): readonly string[] {
  const names = [...told, 'X-Request-Id']
  return [
    '',
    '# What is asked about is set by Caddy. What is empty in the answer is removed.',
    `forward_auth ${dialled(decide)} {`,
    '\turi /decide',
    '\ttransport http {',
    '\t\tdial_timeout 2s',
    '\t\tresponse_header_timeout 10s',
    '\t}',
    ...names.map(name => `\tcopy_headers ${quoted(name)}`),
    ...(answersPreflights ? PREFLIGHT : []),
    '}',
  ]
}

/** The gateway cannot answer one with a status of success, since that would be a yes. */
const PREFLIGHT = [
  '\t@preflight header X-Sallyport-Code preflight',
  '\thandle_response @preflight {',
  '\t\tcopy_response_headers {',
  `\t\t\tinclude ${[...CORS_LINES, 'Vary', 'X-Request-Id'].join(' ')}`,
  '\t\t}',
  '\t\trespond 204',
  '\t}',
]

/** A proof of possession is read by the gateway alone, and so is the cookie of a session. */
function removedAfter({ untold, hasSessions }: Site): readonly string[] {
  return [
    ...(untold.includes('dpop') ? ['request_header -DPoP'] : []),
    ...(hasSessions ? ['request_header Cookie "__Host-sallyport=[^;]*;? *" ""'] : []),
  ]
}

function passedOn(name: string): readonly string[] {
  const matcher = `@sallyport_${name.toLowerCase().replaceAll('-', '_')}`
  const value = `{http.reverse_proxy.header.${name}}`
  return [`${matcher} not vars ${value} ""`, `header ${matcher} +${name} ${value}`]
}
