/**
 * Judges the files that a configuration names: whether they are there, and whether they hold what they should.
 *
 * RFC 7518 §3.2 (a shared secret is at least as long as the hash output), RFC 7517 §5 (JWK Set), RFC 7468 (PEM).
 * A secret is the content of its file without one line break at the end, which editors and `echo` add.
 * No message repeats anything that stands in a file.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { decryptionKey } from '../../authenticate/encrypted/decryption-keys.ts'
import { credentialsProblem } from '../../egress/credentials.ts'
import { KeySourceError } from '../../keys/key-source-error.ts'
import { bundleKeySet, jwksKeySet, secretKeySet } from '../../keys/static-keys.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { headerLinesProblem } from '../../lib/header-lines.ts'
import { HMAC_SECRET_BYTES } from '../../lib/jws-algorithms.ts'
import { lineFileProblem } from '../../lib/line-file.ts'
import { LEAST_SECRET_BYTES, withoutLineBreak } from '../../lib/secrets.ts'
import { UntrustedFile } from '../../lib/trusted-file.ts'
import { keyFolderProblem, readKeyFolder } from '../../signing/key-folder.ts'
import { type ByProviderType, byProviderType, type ProviderConfigs } from '../schema/by-provider-type.ts'
import type { Draft } from '../schema/draft.ts'
import { PRIVATE_JWK_MEMBERS } from '../schema/keys-schema.ts'
import { STANDARD_OUTPUT } from '../schema/local-paths.ts'
import type { DecryptionConfig, InternalTokenConfig, KeysConfig, TokenExchangeConfig } from '../schema/schema.ts'
import { bearerProblem, clientFileFindings } from './check-client-files.ts'
import { secretsProblem } from './check-secrets.ts'
import { type Check, certificateProblem, type Judge, type ReadFile, readable } from './file-judges.ts'
import type { Finding, Path } from './findings.ts'

/**
 * Judges every file that is named, and the keys that stand in the configuration itself.
 *
 * @param read takes absolute paths, and the draft has no others; undefined reads no file, and judges the rest
 * @param revokedProblem judges the text of a file of revocations, which is YAML
 */
export function fileFindings(
  { listen, egress, store, revocation, dpop, traces, audit, identity, providers, upstreams }: Draft,
  read: ReadFile | undefined,
  revokedProblem: (text: string) => string | undefined,
): readonly Finding[] {
  const check: Check = (path, file, judge) => {
    const message = file === undefined || read === undefined ? undefined : judgedFile(file, read, judge)
    return message === undefined ? [] : [{ path, message }]
  }
  const tlsOf = (path: Path, tls: TlsFiles | undefined) => [
    ...check([...path, 'caFile'], tls?.caFile, certificateProblem),
    ...check([...path, 'clientCaFile'], tls?.clientCaFile, certificateProblem),
    ...check([...path, 'certFile'], tls?.certFile, certificateProblem),
    ...check([...path, 'keyFile'], tls?.keyFile, (content, readOther) =>
      privateKeyProblem(content, tls?.certFile, readOther),
    ),
  ]
  return [
    ...tlsOf(['listen', 'tls'], listen?.tls),
    ...check(['egress', 'caFile'], egress?.caFile, certificateProblem),
    ...check(['egress', 'credentialsFile'], egress?.credentialsFile, credentialsProblem),
    ...tlsOf(['store', 'tls'], store?.tls),
    ...check(['store', 'passwordFile'], store?.passwordFile, emptyProblem),
    ...check(['revocation', 'file'], revocation?.file, content => revokedProblem(content.toString())),
    ...check(['revocation', 'api', 'tokenFile'], revocation?.api?.tokenFile, secretsProblem),
    ...(revocation?.signals ?? []).flatMap(({ tokenFile }, index) =>
      check(['revocation', 'signals', index, 'tokenFile'], tokenFile, secretsProblem),
    ),
    ...check(['dpop', 'nonce', 'secretFile'], dpop?.nonce?.secretFile, ownSecretProblem),
    ...check(['traces', 'headersFile'], traces?.headersFile, content => headerLinesProblem(content.toString('latin1'))),
    ...(read === undefined ? [] : outputFindings(['audit', 'file'], audit?.file)),
    ...(read === undefined ? [] : signingFindings(['identity', 'token', 'keysDir'], identity?.token)),
    ...[...upstreams].flatMap(([id, { tls, exchange }]) => [
      ...tlsOf(['upstreams', id, 'tls'], tls),
      ...exchangeOf(['upstreams', id, 'exchange'], exchange, check),
    ]),
    ...[...providers].flatMap(([id, provider]) => byProviderType(OF_PROVIDERS, provider, ['providers', id], check)),
  ]
}

function outputFindings(path: Path, file: string | undefined): readonly Finding[] {
  const message = file === undefined || file === STANDARD_OUTPUT ? undefined : lineFileProblem(file)
  return message === undefined ? [] : [{ path, message }]
}

/** The keys are read anew when they change, which is no new configuration, so that nobody takes a note of them here. */
function signingFindings(path: Path, token: InternalTokenConfig | undefined): readonly Finding[] {
  const { keysDir, algorithm } = token ?? {}
  if (keysDir === undefined || algorithm === undefined) return []
  const message = keySourceProblem(() => keyFolderProblem(readKeyFolder(keysDir), algorithm))
  return message === undefined ? [] : [{ path, message }]
}

function exchangeOf(path: Path, exchange: TokenExchangeConfig | undefined, check: Check): readonly Finding[] {
  if (exchange === undefined) return []
  return [
    ...clientFileFindings([...path, 'client'], exchange.client, check),
    ...check([...path, 'caFile'], exchange.caFile, certificateProblem),
  ]
}

/** Judges the files of a provider of each type. */
const OF_PROVIDERS: ByProviderType<readonly Finding[], [provider: Path, check: Check]> = {
  jwt: (provider, path, check) => [
    ...check([...path, 'keys', 'secretFile'], provider.keys.secretFile, content => secretProblem(content, provider)),
    ...keysOf([...path, 'keys'], provider.keys, check),
    ...decryptionOf([...path, 'decryption'], provider.decryption, check),
  ],
  introspection: (provider, path, check) => [
    ...keysOf([...path, 'keys'], provider.keys, check),
    ...decryptionOf([...path, 'decryption'], provider.decryption, check),
    ...clientFileFindings([...path, 'client'], provider.client, check),
    ...check([...path, 'caFile'], provider.caFile, certificateProblem),
  ],
  spiffe: ({ bundle }, provider, check) => {
    const path = [...provider, 'bundle']
    return [
      ...check([...path, 'file'], bundle.file, bundleFileProblem),
      ...check([...path, 'caFile'], bundle.caFile, certificateProblem),
      ...check([...path, 'bearerFile'], bundle.bearerFile, bearerFileProblem),
    ]
  },
  session: ({ client, keyFiles, caFile }, path, check) => [
    ...clientFileFindings([...path, 'client'], client, check),
    ...keyFiles.flatMap((file, index) => check([...path, 'keyFiles', index], file, ownSecretProblem)),
    ...check([...path, 'caFile'], caFile, certificateProblem),
  ],
}

function keysOf(path: Path, keys: KeysConfig | undefined, check: Check): readonly Finding[] {
  return [
    ...check([...path, 'jwksFile'], keys?.jwksFile, jwksFileProblem),
    ...check([...path, 'caFile'], keys?.caFile, certificateProblem),
    ...check([...path, 'bearerFile'], keys?.bearerFile, bearerFileProblem),
    ...inlineFindings([...path, 'jwks'], keys?.jwks),
  ]
}

function bearerFileProblem(content: Buffer): string | undefined {
  return emptyProblem(content) ?? bearerProblem(content)
}

function decryptionOf(path: Path, decryption: DecryptionConfig | undefined, check: Check): readonly Finding[] {
  return (decryption?.keyFiles ?? []).flatMap((file, index) =>
    check([...path, 'keyFiles', index], file, content => decryptionKeyProblem(content, decryption?.algorithms ?? [])),
  )
}

function decryptionKeyProblem(content: Buffer, algorithms: readonly string[]): string | undefined {
  return keySourceProblem(() => {
    const served = decryptionKey(content).algorithms
    if (algorithms.some(algorithm => served.has(algorithm))) return undefined
    return `holds a key for none of the \`algorithms\`; it can do ${[...served].join(', ')}`
  })
}

interface TlsFiles {
  readonly caFile?: string | undefined
  readonly clientCaFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

function judgedFile(file: string, read: ReadFile, judge: Judge): string | undefined {
  try {
    return judge(read(file), read)
  } catch (error) {
    if (error instanceof UntrustedFile) return error.message
    return `cannot be read: ${fileFailureText(error)}; check the path, which starts at the folder of this file, and the permissions`
  }
}

function inlineFindings(path: Path, jwks: unknown): readonly Finding[] {
  const message = jwks === undefined ? undefined : jwksProblem(JSON.stringify(jwks))
  return message === undefined ? [] : [{ path, message, at: 'key' }]
}

/** Says what is wrong with keys, by making the key set that the gateway would make of them. */
function keySourceProblem(make: () => string | undefined): string | undefined {
  try {
    return make()
  } catch (error) {
    if (error instanceof KeySourceError) return error.message
    throw error
  }
}

function secretProblem(content: Buffer, { algorithms = [] }: ProviderConfigs['jwt']): string | undefined {
  return keySourceProblem(() => {
    const served = secretKeySet(content, '')
      .status()
      .keys.flatMap(key => key.algorithms)
    const shared = algorithms.filter(algorithm => HMAC_SECRET_BYTES.has(algorithm))
    const unserved = shared.find(algorithm => !served.includes(algorithm))
    if (unserved === undefined) return undefined
    const leastBytes = HMAC_SECRET_BYTES.get(unserved)
    return `holds too short a secret for ${unserved}, which needs ${leastBytes} bytes; make a longer one`
  })
}

function jwksProblem(text: string): string | undefined {
  return keySourceProblem(() => {
    jwksKeySet(text, '')
    return undefined
  })
}

function emptyProblem(content: Buffer): string | undefined {
  return content.toString().trim() === '' ? 'is empty; write a token into it, or leave the key out' : undefined
}

function ownSecretProblem(content: Buffer): string | undefined {
  if (withoutLineBreak(content).length >= LEAST_SECRET_BYTES) return undefined
  return `holds fewer than ${LEAST_SECRET_BYTES} bytes; write a longer secret into it, such as the output of \`openssl rand -hex 32\``
}

function jwksFileProblem(content: Buffer): string | undefined {
  const text = content.toString()
  return jwksProblem(text) ?? privateMemberProblem(text)
}

function bundleFileProblem(content: Buffer): string | undefined {
  const text = content.toString()
  const problem = keySourceProblem(() => {
    bundleKeySet(text, '')
    return undefined
  })
  return problem ?? privateMemberProblem(text)
}

/**
 * A private key that lies beside a proxy will leak one day, so the file is refused although its public keys work.
 *
 * @param text of a set that can be read
 */
function privateMemberProblem(text: string): string | undefined {
  const { keys }: { keys: readonly unknown[] } = JSON.parse(text)
  const isPrivate = keys.some(key => PRIVATE_JWK_MEMBERS.some(member => Object.hasOwn(Object(key), member)))
  return isPrivate ? 'holds a private or secret key; it must hold public keys only' : undefined
}

function privateKeyProblem(content: Buffer, certFile: string | undefined, read: ReadFile): string | undefined {
  const key = readable(() => createPrivateKey(content))
  if (key === undefined) return 'holds no PEM private key that can be read without a passphrase'
  const certificate = certFile === undefined ? undefined : readable(() => new X509Certificate(read(certFile)))
  // A certificate that cannot be read is reported at `certFile`.
  return certificate === undefined || isPair(certificate, key)
    ? undefined
    : 'holds a key that does not belong to the certificate in `certFile`; replace both together'
}

/** Is false, too, when certificate and key are of different kinds, for which Node throws. */
function isPair(certificate: X509Certificate, key: KeyObject): boolean {
  return readable(() => certificate.checkPrivateKey(key)) === true
}
