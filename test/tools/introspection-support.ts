/** Makes configurations with a provider that asks an introspection endpoint, for the tests of commands. */
import type { folder } from './support.ts'

export const AUDIENCE = 'https://api.example.com'
export const ISSUER = 'https://opaque.example.com'
/** It is the secret of the client, and must never be printed. */
export const SECRET = 'marked-secret-of-the-client'

interface AskingOptions {
  /** Default: one that nobody listens at. */
  readonly endpoint?: string | undefined
  readonly issuer?: string
  /** Further keys of the provider, as a flow of YAML with a comma before. */
  readonly keys?: string
  /** Further providers, as lines of YAML. */
  readonly providers?: string
  readonly routes?: readonly string[]
  /** Further sections, as lines of YAML. */
  readonly sections?: string
}

/** Writes `name` with the provider `opaque`. @returns its path */
export function askingConfig(
  files: Pick<ReturnType<typeof folder>, 'write'>,
  name: string,
  { endpoint = 'http://127.0.0.1:9/introspect', issuer = ISSUER, keys = '', ...more }: AskingOptions = {},
): string {
  files.write('asking.secret', SECRET)
  const { providers = '', routes = ['{ id: all, path: /** }'], sections = '' } = more
  const at = endpoint === '' ? '' : `, endpoint: "${endpoint}"`
  return files.write(
    name,
    `listen: 127.0.0.1:8080
providers:
  opaque: { type: introspection, issuer: "${issuer}"${at}, audiences: ["${AUDIENCE}"],
            client: { auth: basic, id: orders-gateway, secretFile: asking.secret }${keys} }
${providers}upstreams:
  app: http://127.0.0.1:3000
routes:
${routes.map(route => `  - ${route}\n`).join('')}${sections}`,
  )
}
