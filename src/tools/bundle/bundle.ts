/**
 * Collects what a support ticket needs to know of a gateway, and nothing else: an allowlist of files, each made of an
 * allowlist of members.
 *
 * What is no secret by design passes two fences all the same: what looks like a secret is taken out, and so is every
 * secret that is known here, from files, variables and the configuration. What cannot be had is named with the reason.
 */
import { arch, cpus, release, type as systemType, totalmem } from 'node:os'
import type { Environment } from '../../config/read/environment.ts'
import { loadConfigForTool } from '../../config/read/load.ts'
import { readAnyFile } from '../../config/read/own-file.ts'
import type { Address, Config } from '../../config/schema/schema.ts'
import { ConfigError } from '../../errors.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { callable } from '../admin/addresses.ts'
import { doctorJson } from '../doctor/doctor-report.ts'
import type { Finding } from '../doctor/finding.ts'
import { type PackedFile, packed } from './archive.ts'
import { cleaned, json } from './cleaned.ts'
import { gatewayParts, type Part } from './gateway-parts.ts'
import { type MaskedConfig, maskedConfig } from './masked-config.ts'
import {
  describedFile,
  digestOf,
  mistakenlyIncludedFiles,
  mistakenlyNamedFiles,
  namedFiles,
  secretsIn,
} from './named-files.ts'
import { scrubber } from './scrubber.ts'
import { SECRET_NAME, withoutSecrets } from './secret-looks.ts'

interface BundleOptions {
  readonly file: string
  readonly env: Environment
  /** Of the gateway that runs. Default: that of the configuration. */
  readonly admin: Address | undefined
  readonly version: string
  readonly nodeVersion: string
  readonly nowMs: number
  readonly stepMs: number
  readonly doctor: () => Promise<readonly Finding[]>
}

interface Missing {
  readonly name: string
  readonly reason: string
}

interface Bundle {
  readonly archive: Buffer
  readonly names: readonly string[]
  readonly missing: readonly Missing[]
}

const FOLDER = 'sallyport-bundle'

export async function bundle(options: BundleOptions): Promise<Bundle> {
  const { file, env, nowMs } = options
  const config = configOf(file, env)
  const written = writtenConfig(file)
  const included = mistakenlyIncludedFiles(file, env).map((path, index) => ({
    name: `included-${index + 1}.yaml`,
    path,
    ...writtenConfig(path),
  }))
  const files = 'problem' in config ? [] : namedFiles(config.loaded)
  const secretFiles = 'problem' in config ? mistakenlyNamedFiles(file, env) : files
  const secrets = [
    ...secretsIn(secretFiles),
    ...secretVariables(env),
    ...[written, ...included].flatMap(each => ('text' in each ? each.masked : [])),
  ]
  const scrub = scrubber(secrets)
  const clean = (text: string): string => scrub(withoutSecrets(text))
  const admin = options.admin ?? ('problem' in config ? undefined : adminOf(config.loaded))
  const parts: ReadonlyArray<readonly [name: string, part: Part]> = [
    ['versions.json', { text: json(versions(options)) }],
    ['config.yaml', 'text' in written ? { text: written.text } : written],
    ...included.map(each => [each.name, 'text' in each ? { text: `# ${each.path}\n${each.text}` } : each] as const),
    [
      'files.json',
      'problem' in config ? { reason: config.problem } : { text: json(cleaned(files.map(describedFile), clean)) },
    ],
    ['doctor.json', { text: doctorJson(cleaned(await options.doctor(), clean)) }],
    ...(await gatewayParts(admin, options.stepMs, clean)),
  ]
  // Identifiers that look random have been left alone so far; what is known to be a secret goes from these, too.
  const found = parts.flatMap(([name, part]) =>
    'text' in part ? [{ name, content: Buffer.from(scrub(part.text)) }] : [],
  )
  const missing = parts.flatMap(([name, part]) => ('text' in part ? [] : [{ name, reason: clean(part.reason) }]))
  const manifest = {
    made: new Date(nowMs).toISOString(),
    contents: found.map(({ name, content }) => ({ name, bytes: content.length, sha256: digestOf(content) })),
    missing,
  }
  const all: readonly PackedFile[] = [{ name: 'manifest.json', content: Buffer.from(json(manifest)) }, ...found]
  const placed = all.map(({ name, content }) => ({ name: `${FOLDER}/${name}`, content }))
  return {
    archive: packed(placed, Math.floor(nowMs / 1000)),
    names: all.map(({ name }) => name),
    missing,
  }
}

function configOf(file: string, env: Environment): { readonly loaded: Config } | { readonly problem: string } {
  try {
    return { loaded: loadConfigForTool(file, env, 'unread') }
  } catch (error) {
    if (error instanceof ConfigError) return { problem: 'the configuration has mistakes, which doctor.json names' }
    throw error
  }
}

function writtenConfig(file: string): MaskedConfig | { readonly reason: string } {
  try {
    return (
      maskedConfig(readAnyFile(file).toString('utf8')) ?? {
        reason: 'it is no YAML, so nobody knows what in it is a secret',
      }
    )
  } catch (error) {
    return { reason: `it cannot be read: ${fileFailureText(error)}` }
  }
}

/** What stands in variables whose names say that they hold a secret, or whose values look like one. */
function secretVariables(env: Environment): readonly string[] {
  return Object.entries(env).flatMap(([name, value = '']) =>
    SECRET_NAME.test(name) || /headers/i.test(name) || withoutSecrets(value) !== value
      ? [value, ...secretParts(value)].filter(part => part.length >= 6)
      : [],
  )
}

/** What stands before the host of a URL, and behind the names of a list such as `api-key=…,tenant=…`. */
function secretParts(value: string): readonly string[] {
  const user = /:\/\/([^\s/?#@]*)@/.exec(value)?.[1] ?? ''
  const listed = value.includes('://') ? [] : value.split(/[,;&]/).flatMap(pair => pair.split('=').slice(1))
  return [...user.split(':').slice(1), ...listed, ...listed.map(decoded)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function adminOf({ admin }: Config): Address | undefined {
  const address = admin?.listen.address
  return address && (callable(address) ?? address)
}

function versions({ version, nodeVersion }: BundleOptions) {
  return {
    sallyport: version,
    node: nodeVersion,
    system: `${systemType()} ${release()} ${arch()}`,
    processors: cpus().length,
    memory_bytes: totalmem(),
  }
}
