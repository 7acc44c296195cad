/** Writes the smallest policy that makes sense in front of a service: every path needs a token, and nothing more. */

/** @param upstream URL of the service */
export function devStarter(upstream: string): string {
  return `# yaml-language-server: $schema=./sallyport.schema.json
#
# Every path needs a valid token. \`sallyport dev -c FILE\` runs it with an issuer of its own, and takes changes over at
# once. For a server: replace what is marked "yours", then \`sallyport check\` and \`sallyport run\`.

listen: 0.0.0.0:8080 # \`dev\` listens on this machine only, whatever stands here
admin: { listen: 127.0.0.1:9090, console: {} }

providers:
  main:
    type: jwt
    issuer: https://auth.example.com/ # yours: compared byte for byte with \`iss\`
    audiences: [my-service] # yours: a token that is meant for another service is refused

upstreams:
  app: ${JSON.stringify(upstream)} # yours

# What the service is told about the caller: X-Auth-Subject and others. Clients cannot send these headers themselves.
identity: { reserved: [X-Auth-*] }

routes:
  - { id: all, path: /** }
  # Yours, for example. The most specific route wins:
  # - { id: health, path: /healthz, methods: [GET], access: public }
  # - { id: orders-write, path: /orders/:id, methods: [PUT, DELETE], require: { scopes: [orders:write] } }
`
}
