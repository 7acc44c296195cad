/** Writes a configuration to begin with: complete, commented, and right except for what only its owner knows. */
import { PRESETS, type Preset, type PresetName } from './presets.ts'

interface StarterOptions {
  readonly preset: PresetName
  /** What is given here takes the place of what the preset says. */
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  readonly upstream?: string | undefined
}

/** Writes the file. Texts that were given are written so that YAML reads them as they are. */
export function starterFile({ preset: name, issuer, audience, upstream }: StarterOptions): string {
  const preset: Preset = PRESETS[name]
  // The place of a bundle does not follow from the name of its trust domain, so it stays to be replaced.
  const isKept = issuer === undefined || issuer === preset.issuer || preset.type === 'spiffe'
  const issuerLines = isKept ? preset.issuerLines : []
  const hasKeys = [...issuerLines, ...preset.providerLines].some(line => /^keys:/.test(line))
  const unlessElsewhere = hasKeys ? ' unless `keys` says otherwise' : ''
  return `# yaml-language-server: $schema=./sallyport.schema.json
#
# Sallyport for ${preset.summary}. Replace what is marked "yours", then: sallyport check --online

listen: 0.0.0.0:8080

# Health, readiness, metrics and status. In a pod, the probes of the kubelet come from outside, so this is not loopback;
# a network policy keeps others away (k8s/components/network-policy). On a host of your own: 127.0.0.1:9090.
# \`appProbes\` are paths of the service that its own probes ask for through this port, as /-/app/healthz.
admin: { listen: 0.0.0.0:9090, appProbes: [/healthz] }

providers:
  # The name is yours: it becomes a metric label and a log field.
  main:
    type: ${preset.type ?? 'jwt'}
    # Yours. ${WHOSE[preset.type ?? 'jwt'].meaning}${preset.type === undefined ? unlessElsewhere : ''}.
${comments(preset.issuerNotes)}    ${WHOSE[preset.type ?? 'jwt'].key}: ${scalar(issuer ?? preset.issuer)}
${lines(issuerLines)}    # Yours.
${comments(preset.audienceNotes)}    audiences: [${scalar(audience ?? preset.audience)}]
    clockTolerance: 5s
${lines(preset.providerLines)}
upstreams:
  # Yours: the service. Let it listen on loopback only, so that there is no way around the gateway.
  app: ${scalar(upstream ?? 'http://127.0.0.1:3000')}

# What the service is told about the caller. These headers are taken out of every request that comes in, in any
# spelling, and so is everything that matches \`reserved\`.
identity:
${identityHeaders(preset.identityLines)}  reserved: [X-Auth-*]

${preset.serves === 'mcp' ? protectedServer(preset, audience) : webApi(preset)}`
}

/** Which key says whose tokens a provider takes. */
const WHOSE = {
  jwt: { key: 'issuer', meaning: 'Compared byte for byte with `iss`; the keys are found below it' },
  spiffe: { key: 'trustDomain', meaning: 'The SPIFFE IDs in `sub` begin with spiffe:// and this name' },
} as const

const HEAD_OF_ROUTES = `# The most specific route wins, whatever the order. What no route matches is a 404 and never reaches the service.
routes:
  - { id: health, path: /healthz, methods: [GET], access: public }
`

function webApi({ read, write }: Preset): string {
  return `${HEAD_OF_ROUTES}
  # Yours. /orders and everything below it; GET covers HEAD.
  - id: orders-read
    path: /orders/**
    methods: [GET]
    require:
      ${read}

  - id: orders-write
    path: /orders/:id
    methods: [PUT, PATCH, DELETE]
    require:
      ${write}
`
}

/** An audience that is no URL is what the provider calls the server, and clients do not. */
function resourceUrl(preset: Preset, audience: string | undefined): string {
  return audience !== undefined && /^https?:/.test(audience) && URL.canParse(audience) ? audience : preset.audience
}

function protectedServer(preset: Preset, audience: string | undefined): string {
  const { read, write } = preset
  const url = resourceUrl(preset, audience)
  const audiences =
    audience === undefined || audience === url
      ? ''
      : `    # What tokens hold in \`aud\` if the provider does not put the URL of the resource there.
    audiences: [${scalar(audience)}]
`
  return `# What clients are told: where to get a token, and for what (RFC 9728). It is served to everybody, below
# /.well-known/oauth-protected-resource.
resources:
  mcp:
    # Yours. Byte for byte what people type into their clients.
    url: ${scalar(url)}
    # Scopes to ask for at first. Those of a tool are told to whoever calls it without them.
    scopes: [mcp:use]

# Clients that run in a web page read the answers only where their origin is listed. \`enforceOrigin\` refuses requests of
# all other pages, as a server has to that is reachable from a browser's machine. Yours:
# cors: { origins: [https://app.example.com], enforceOrigin: true }

${HEAD_OF_ROUTES}
  # POST brings messages; GET opens the stream of a session, and DELETE ends it.
  - id: mcp
    path: ${scalar(new URL(url).pathname)}
    methods: [GET, POST, DELETE]
    resource: mcp
${audiences}    require: { scopes: [mcp:use] }
    mcp:
      # Yours. A call needs the scopes of its tool besides those of the route. Tools that are not listed are refused;
      # \`others: allow\` would let them pass.
      tools:
        orders.get: { ${read} }
        orders.delete: { ${write} }
        "reports.*": { scopes: [reports:read] }
`
}

function identityHeaders(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `  headers:\n${lines.map(line => `    ${line}\n`).join('')}`
}

function lines(ofProvider: readonly string[]): string {
  return ofProvider.map(line => `    ${line}\n`).join('')
}

function comments(lines: readonly string[]): string {
  return lines.map(line => `    # ${line}\n`).join('')
}

/** Writes a text plain where YAML reads it back unchanged, and otherwise as a JSON string, which YAML understands. */
function scalar(text: string): string {
  return /^[A-Za-z/][\w./:-]*$/.test(text) && !/^(true|false|null)$/i.test(text) && !text.endsWith(':')
    ? text
    : JSON.stringify(text)
}
