/**
 * Makes a certificate authority of a private network and a server certificate for 127.0.0.1, with the openssl command.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export interface PrivateNetwork {
  /** The folder is removed when the test ends. */
  readonly folder: string
  readonly caFile: string
  readonly key: string
  readonly cert: string
}

export function privateNetwork(subjectAltName = 'IP:127.0.0.1'): PrivateNetwork {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const run = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  run('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test CA')
  run('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server')
  writeFileSync(join(folder, 'server.ext'), `subjectAltName=${subjectAltName}\n`)
  const issuer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial']
  run('x509', '-req', '-in', 'server.csr', ...issuer, '-out', 'server.crt', '-days', '1', '-extfile', 'server.ext')
  return {
    folder,
    caFile: join(folder, 'ca.crt'),
    key: readFileSync(join(folder, 'server.key'), 'utf8'),
    cert: readFileSync(join(folder, 'server.crt'), 'utf8'),
  }
}
