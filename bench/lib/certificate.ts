/** Makes certificates by the openssl command, for clients and for listeners. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Both in one. */
  readonly bothFile: string
}

/** @returns a certificate that nobody but itself has signed, for 127.0.0.1, with an ECDSA key */
export function selfSigned(folder: string): CertificateFiles {
  const [keyFile, certFile, bothFile] = ['key.pem', 'cert.pem', 'both.pem'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  const named = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...key, ...named, '-out', certFile], { stdio: 'ignore' })
  writeFileSync(bothFile, readFileSync(certFile, 'utf8') + readFileSync(keyFile, 'utf8'), { mode: 0o600 })
  return { certFile, keyFile, bothFile }
}
