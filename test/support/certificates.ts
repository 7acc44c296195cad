/** Certificates for tests, made anew by the openssl command: an authority, and what it signs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

export interface TestAuthority extends Certificate {
  /** @param names as in subjectAltName: `DNS:service.internal`, `IP:127.0.0.1` */
  issue(id: string, names: readonly string[]): Certificate
  /** As {@link TestAuthority.issue}, in force from and until these times. */
  issueFor(id: string, names: readonly string[], from: Date, until: Date): Certificate
  /**
   * Makes a certificate that no authority has signed (RFC 8705 §2.2).
   *
   * @param names as of {@link TestAuthority.issue}, with whatever punctuation; default: none
   */
  selfSigned(id: string, names?: readonly string[]): Certificate
  remove(): void
}

export function testAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-certificates-'))
  const make = (id: string, args: readonly string[]): Certificate => {
    const [certFile, keyFile] = [join(folder, `${id}.pem`), join(folder, `${id}-key.pem`)]
    const common = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
    execFileSync('openssl', [...common, '-subj', `/CN=${id}`, '-keyout', keyFile, '-out', certFile, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  }
  const config = join(folder, 'empty.cnf')
  writeFileSync(config, '[req]\ndistinguished_name=dn\n[dn]\n')
  const authority = make('authority', ['-config', config, '-addext', 'basicConstraints=critical,CA:TRUE'])
  return {
    ...authority,
    issue: (id, names) =>
      make(id, [
        ...['-config', config, '-CA', authority.certFile, '-CAkey', authority.keyFile],
        ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', `subjectAltName=${names.join(',')}`],
      ]),
    issueFor(id, names, from, until) {
      const file = (name: string): string => join(folder, `${id}${name}`)
      const [certFile, keyFile] = [file('.pem'), file('-key.pem')]
      writeFileSync(file('.index'), '')
      writeFileSync(
        file('.cnf'),
        `[ca]\ndefault_ca=own\n[own]\ndatabase=${file('.index')}\nnew_certs_dir=${folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\nx509_extensions=leaf\n[any]\ncommonName=supplied\n[leaf]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=${names.join(',')}\n[req]\ndistinguished_name=dn\n[dn]\n`,
      )
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
      const run = (args: readonly string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
      run(['req', '-new', ...key, '-config', file('.cnf'), '-subj', `/CN=${id}`, '-out', file('.csr')])
      run([
        ...['ca', '-batch', '-notext', '-config', file('.cnf'), '-cert', authority.certFile],
        ...['-keyfile', authority.keyFile, '-startdate', opensslTime(from), '-enddate', opensslTime(until)],
        ...['-in', file('.csr'), '-out', certFile],
      ])
      return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
    },
    selfSigned(id, names = []) {
      const ownConfig = join(folder, `${id}.cnf`)
      writeFileSync(ownConfig, configOf(names))
      return make(id, ['-config', ownConfig, '-extensions', 'leaf'])
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Makes an authority for all tests of the file that calls it, which is removed after the last one. */
export function authorityOfFile(): TestAuthority {
  const authority = testAuthority()
  afterAll(() => authority.remove())
  return authority
}

/** Writes `20260131235959Z`. */
function opensslTime(date: Date): string {
  return `${date.toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`
}

/** In a section of its own, a name may contain commas. */
function configOf(names: readonly string[]): string {
  const lines = names.map((name, index) => {
    const [type = '', ...value] = name.split(':')
    return `${type}.${index} = ${value.join(':').replace(/["'$#\\]/g, '\\$&')}`
  })
  const extension = names.length === 0 ? '' : 'subjectAltName=@names\n'
  return `[req]\ndistinguished_name=dn\n[dn]\n[leaf]\nbasicConstraints=critical,CA:FALSE\n${extension}[names]\n${lines.join('\n')}\n`
}
