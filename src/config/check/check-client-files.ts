/**
 * Judges the files by which the gateway proves to a server who it is, by making of them what it would make of them.
 *
 * RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2. No message repeats anything that stands in a file.
 */
import { bearerToken, UnusableContent } from '../../keys/fetch/local-file.ts'
import { assertionKey } from '../../oauth/assertion-key.ts'
import { clientCertificate, clientKey, requirePair, textOf } from '../../oauth/client-files.ts'
import type { ProviderConfigs } from '../schema/by-provider-type.ts'
import { type Check, certificateProblem, type ReadFile, readable } from './file-judges.ts'
import type { Finding, Path } from './findings.ts'

type ClientConfig = ProviderConfigs['introspection']['client']

/** What each kind of client needs in its files. */
const CLIENT_FILES: {
  readonly [A in ClientConfig['auth']]: (
    path: Path,
    client: Extract<ClientConfig, { readonly auth: A }>,
    check: Check,
  ) => readonly Finding[]
} = {
  basic: (path, { secretFile }, check) => check([...path, 'secretFile'], secretFile, clientSecretProblem),
  post: (path, { secretFile }, check) => check([...path, 'secretFile'], secretFile, clientSecretProblem),
  private_key_jwt: (path, { keyFile, algorithm }, check) =>
    check([...path, 'keyFile'], keyFile, content => unusable(() => assertionKey(textOf(content), algorithm))),
  tls: (path, { certFile, keyFile }, check) => [
    ...check([...path, 'certFile'], certFile, clientCertificateProblem),
    ...check([...path, 'keyFile'], keyFile, (content, read) => clientKeyProblem(content, certFile, read)),
  ],
  bearer: (path, { tokenFile }, check) => check([...path, 'tokenFile'], tokenFile, bearerProblem),
}

export function clientFileFindings<A extends ClientConfig['auth']>(
  path: Path,
  client: Extract<ClientConfig, { readonly auth: A }> & { readonly auth: A },
  check: Check,
): readonly Finding[] {
  return CLIENT_FILES[client.auth](path, client, check)
}

/** Says what is wrong with a file of a client, by making of it what the gateway would make of it. */
function unusable(use: () => unknown): string | undefined {
  try {
    use()
    return undefined
  } catch (error) {
    if (error instanceof UnusableContent) return `${error.message}; ${error.remedy}`
    throw error
  }
}

function clientSecretProblem(content: Buffer): string | undefined {
  return unusable(() => textOf(content))
}

export function bearerProblem(content: Buffer): string | undefined {
  return unusable(() => bearerToken(content))
}

function clientCertificateProblem(content: Buffer): string | undefined {
  return certificateProblem(content) ?? unusable(() => clientCertificate(textOf(content)))
}

function clientKeyProblem(content: Buffer, certFile: string, read: ReadFile): string | undefined {
  // A certificate that cannot be read is reported at `certFile`.
  const certificate = readable(() => clientCertificate(textOf(read(certFile))))
  return unusable(() => {
    const key = clientKey(textOf(content))
    if (certificate !== undefined) requirePair(certificate, key)
  })
}
