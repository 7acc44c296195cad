/**
 * Collects what a support ticket needs to know of a gateway, and nothing else: an allowlist of files, each made of an
 * allowlist of members.
 *
 * What is no secret by design passes two fences all the same: what looks like a secret is taken out, and so is every
 * secret that is known here, from files, variables and the configuration. What cannot be had is named with the reason.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { arch, cpus, release, type as systemType, totalmem } from 'node:os'
import type { Environment } from '../../config/read/environment.ts'
import { loadConfigForTool } from '../../config/read/load.ts'
import type { Address, Config } from '../../config/schema/schema.ts'
import { ConfigError } from '../../errors.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import { callable } from '../admin/addresses.ts'
import { askedOfAdmin } from '../doctor/admin-check.ts'
import { doctorJson } from '../doctor/doctor-report.ts'
import type { Finding } from '../doctor/finding.ts'
import { type PackedFile, packed } from './archive.ts'
import { type MaskedConfig, maskedConfig } from './masked-config.ts'
import { describedFile, namedFiles, secretsIn } from './named-files.ts'
import { scrubber } from './scrubber.ts'
import { LEFT_OUT, SECRET_NAME, withoutSecrets } from './secret-looks.ts'

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

/** A part of the bundle, or why there is none. */
type Part = { readonly text: string } | { readonly reason: string }

const FOLDER = 'sallyport-bundle'

export async function bundle(options: BundleOptions): Promise<Bundle> {
  const { file, env, nowMs } = options
  const config = configOf(file, env)
  const written = writtenConfig(file)
  const files = 'problem' in config ? [] : namedFiles(config.loaded)
  const secrets = [...secretsIn(files), ...secretVariables(env), ...('text' in written ? written.masked : [])]
  const scrub = scrubber(secrets)
  const clean = (text: string): string => scrub(withoutSecrets(text))
  const admin = options.admin ?? ('problem' in config ? undefined : adminOf(config.loaded))
  const parts: ReadonlyArray<readonly [name: string, part: Part]> = [
    ['versions.json', { text: json(versions(options)) }],
    ['config.yaml', 'text' in written ? { text: written.text } : written],
    [
      'files.json',
      'problem' in config ? { reason: config.problem } : { text: json(cleaned(files.map(describedFile), clean)) },
    ],
    ['doctor.json', { text: doctorJson(cleaned(await options.doctor(), clean)) }],
    ...(await ofGateway(admin, options.stepMs, clean)),
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
      maskedConfig(readFileSync(file, 'utf8')) ?? { reason: 'it is no YAML, so nobody knows what in it is a secret' }
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

type Clean = (text: string) => string

async function ofGateway(
  admin: Address | undefined,
  stepMs: number,
  clean: Clean,
): Promise<ReadonlyArray<readonly [name: string, part: Part]>> {
  const asked = async (path: string, shown: (text: string) => string | undefined): Promise<Part> => {
    if (admin === undefined) return { reason: 'it is not known where the admin listener is; name it by --admin' }
    const answer = await askedOfAdmin(admin, path, stepMs)
    if (answer === undefined) return { reason: 'no gateway answers at the admin listener' }
    if (answer.status !== 200) return { reason: `${path} is answered with ${answer.status}` }
    const text = shown(answer.text)
    return text === undefined ? { reason: `${path} is not answered as a gateway does` } : { text }
  }
  const [status, metrics, recent] = await Promise.all([
    asked('/-/status', text => shownStatus(text, clean)),
    asked('/metrics', text => shownMetrics(text, clean)),
    asked('/-/recent', text => shownRecent(text, clean)),
  ])
  const refusals =
    'reason' in recent && recent.reason.endsWith('404')
      ? { reason: 'the gateway remembers no refusals; set `admin.console`' }
      : recent
  return [
    ['status.json', status],
    ['metrics.txt', metrics],
    ['recent.json', refusals],
  ]
}

/** Says undefined for what is not of a gateway. */
function shownStatus(text: string, clean: Clean): string | undefined {
  const status = jsonOf(text)
  if (!isObject(status) || typeof status.version !== 'string' || typeof status.config_hash !== 'string')
    return undefined
  return json(cleaned(status, clean))
}

/** Lines of the metrics that a gateway has, and comments on them. */
const METRIC = /^(?:# (?:HELP|TYPE) )?(?:sallyport|process|nodejs)_[a-z0-9_]+[ {]/

function shownMetrics(text: string, clean: Clean): string | undefined {
  const lines = text.split('\n').filter(line => METRIC.test(line))
  return lines.length === 0 ? undefined : `${clean(lines.join('\n'))}\n`
}

const RECENT_MEMBERS = [
  ...['time', 'request_id', 'trace_id', 'decision', 'code', 'status', 'method', 'host', 'path', 'route', 'provider'],
  ...['subject', 'client', 'evidence', 'explain'],
]
/** These say who somebody is, so that only whether two are the same is shown. */
const PERSONAL = ['subject', 'client']

function shownRecent(text: string, clean: Clean): string | undefined {
  const answer = jsonOf(text)
  const records = isObject(answer) ? answer.records : undefined
  if (!Array.isArray(records)) return undefined
  // It is made for this bundle alone, so that nobody finds a subject by trying.
  const key = randomBytes(32)
  const hash = (value: string): string => `#${createHmac('sha256', key).update(value).digest('hex').slice(0, 12)}`
  const shown = records.filter(isObject)
  const people = new Set(
    shown.flatMap(record => PERSONAL.flatMap(name => (typeof record[name] === 'string' ? [record[name]] : []))),
  )
  people.delete('')
  // A subject may stand in a path or in evidence, too.
  const unnamed = (value: string): string =>
    [...people].reduce((result, person) => result.replaceAll(person, hash(person)), value)
  return json({ records: shown.map(record => shownRecord(record, hash, text => clean(unnamed(text)))) })
}

function shownRecord(record: Readonly<Record<string, unknown>>, hash: Clean, clean: Clean) {
  return Object.fromEntries(
    RECENT_MEMBERS.flatMap(name => {
      const value = record[name]
      if (value === undefined) return []
      if (PERSONAL.includes(name)) return [[name, typeof value === 'string' ? hash(value) : LEFT_OUT]]
      // Identifiers of requests and traces look random, and are what a ticket asks about.
      if (/_id$/.test(name)) return /^[\w.-]{1,128}$/.test(String(value)) ? [[name, value]] : []
      return [[name, cleaned(value, clean)]]
    }),
  )
}

/** Names of members whose values look random and are no secrets: they are what keys and configurations are known by. */
const OF_PUBLIC_IDS = /^(?:sha256|config_hash|hash|kids?)$/

/** Changes every text of a value, at any depth, and the names of its members. */
function cleaned<T>(value: T, clean: Clean): T {
  if (typeof value === 'string') return clean(value) as T
  if (Array.isArray(value)) return value.map(item => cleaned<unknown>(item, clean)) as T
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      clean(name),
      OF_PUBLIC_IDS.test(name) && [item].flat().every(isPublicId) ? item : cleaned<unknown>(item, clean),
    ]),
  ) as T
}

/** A token has dots in it. */
function isPublicId(value: unknown): boolean {
  return typeof value === 'string' && /^[\w+/=:-]{1,64}$/.test(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
