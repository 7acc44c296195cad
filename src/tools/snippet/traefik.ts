/**
 * Writes the configuration of Traefik that asks us by `ForwardAuth`. Nobody has tried it with a real one.
 *
 * Traefik removes the headers of its client that match a pattern, and copies those of the answer that do.
 */
import type { Site } from './site.ts'
import { head, hostPort, indented, quoted, spellings, titled, Unwritable } from './written.ts'

export function traefikSnippet(site: Site): string {
  const { decide, told, prefixes, untold, own } = site
  if ('socketPath' in decide)
    throw new Unwritable('Traefik asks at no Unix socket; give `decide.listen` a host and a port')
  const gateway = own?.address
  if (gateway !== undefined && 'socketPath' in gateway)
    throw new Unwritable(
      'Traefik forwards to no Unix socket, and the gateway answers some paths itself; give `listen` a host and a port',
    )
  const managed = [...told.map(spellings), ...prefixes.map(prefix => `${spellings(prefix)}.*`), 'x-request-id']
  return [
    head(site, 'Traefik asks Sallyport before it forwards a request (ForwardAuth). Nobody has tried this.', [
      'A file of the file provider. Yours: the entry point, `rule`, TLS, and where the service is.',
      'Leave `forwardedHeaders` of the entry point alone: with `insecure`, clients say who they are.',
    ]),
    `
http:
  routers:
    service:
      rule: PathPrefix(\`/\`)
      entryPoints: [web]
      middlewares: [sallyport, sallyport-cleared]
      service: service
`,
    own === undefined
      ? ''
      : indented(
          [
            '# The gateway answers here itself. List this proxy in `listen.trustedProxies`.',
            'sallyport-own:',
            `  rule: ${quoted(own.paths.map(path => `Path(\`${path}\`)`).join(' || '))}`,
            '  entryPoints: [web]',
            '  priority: 100000',
            '  service: sallyport',
          ],
          '    ',
        ),
    `  middlewares:
    sallyport:
      forwardAuth:
        address: ${quoted(`http://${hostPort(decide)}/decide`)}
        trustForwardHeader: false
        # Taken from the client in every spelling, and set from the answer.
        authResponseHeadersRegex: ${quoted(`(?i)^(?:${managed.join('|')})$`)}
${site.hasSessions ? '        addAuthCookiesToResponse: ["__Host-sallyport"]\n' : ''}    # What only a proxy may say. An empty value removes a header.
    sallyport-cleared:
      headers:
        customRequestHeaders:
`,
    indented(
      untold.filter(name => !SET_BY_TRAEFIK.has(name)).map(name => `${titled(name)}: ""`),
      '          ',
    ),
    `  services:
    service: { loadBalancer: { passHostHeader: true, servers: [{ url: ${quoted(`http://${hostPort(site.service)}`)} }] } }
`,
    gateway === undefined
      ? ''
      : `    sallyport: { loadBalancer: { servers: [{ url: ${quoted(`http://${hostPort(gateway)}`)} }] } }\n`,
  ].join('')
}

const SET_BY_TRAEFIK: ReadonlySet<string> = new Set([
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-forwarded-server'],
  'x-real-ip',
])
