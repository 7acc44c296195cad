/** `sallyport token verify --internal` verifies a token that the gateway signed for its service. */
import { PUBLISHED_KEYS_PATH } from '../admin/published-keys.ts'
import { loadConfigForTool } from '../config/read/load.ts'
import type { Address, Config } from '../config/schema/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { readKeyFolder } from '../signing/key-folder.ts'
import { addressText, askable } from '../tools/admin/addresses.ts'
import { AdminCallError, askAdmin, jsonOf } from '../tools/admin/ask.ts'
import { StepTooLong, step } from '../tools/doctor/steps.ts'
import { momentOf, withDistances } from '../tools/text/moments.ts'
import { columns } from '../tools/text/table.ts'
import { verifiedInternal } from '../tools/token/verified-internal.ts'
import type { JsonObject } from '../types.ts'
import { adminOption } from './admin-option.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { configFile } from './config-file.ts'

interface InternalOptions {
  readonly admin?: string | undefined
  readonly config?: string | undefined
  readonly json?: boolean | undefined
}

export async function verifyInternal(token: string, options: InternalOptions, io: CommandIo): Promise<ExitCode> {
  const address = adminOption(options.admin)
  const config =
    address !== undefined && options.config === undefined
      ? undefined
      : loadConfigForTool(configFile(options.config, io.env), io.env, 'unread')
  const expected = config?.identity.token
  if (config !== undefined && expected === undefined)
    throw new UsageError('the configuration has no `identity.token`, so that its gateway signs no tokens')
  const keys = address === undefined && config !== undefined ? await keysFor(config) : await publishedAt(address)
  const nowMs = systemClock.nowMs()
  const { verdict, reason, claims } = await verifiedInternal(token, { keys, expected, nowMs })
  if (options.json === true) io.stdout(`${JSON.stringify({ verdict, reason, claims }, undefined, 2)}\n`)
  else if (claims === undefined) io.stdout(`${io.paint('red', 'refused')}: ${reason}\n`)
  else {
    const lines = columns(Object.entries(claims).map(([name, value]) => [`  ${name}`, claimText(name, value, nowMs)]))
    const unjudged = expected === undefined ? ', whose `iss` and `aud` are not judged without --config' : ''
    io.stdout(`${[`${io.paint('green', 'valid')}: a token of the gateway${unjudged}`, ...lines].join('\n')}\n`)
  }
  return verdict === 'valid' ? 0 : 1
}

function claimText(name: string, value: unknown, nowMs: number): string {
  const moment = momentOf(name, value)
  return moment === undefined ? JSON.stringify(value) : `${JSON.stringify(value)}  ${withDistances(moment, nowMs)}`
}

/** The folder has what a gateway would publish; keys in memory can be asked for only. */
async function keysFor({ identity: { token }, admin }: Config): Promise<readonly JsonObject[]> {
  if (token?.keysDir !== undefined) return keysIn(token.keysDir)
  const { address } = admin?.listen ?? {}
  if (address === undefined || ('port' in address && address.port === 0))
    throw new UsageError(
      'the keys are in the memory of a gateway, and the configuration does not say where its admin listener is; name it with --admin',
    )
  return publishedAt(askable(address))
}

function keysIn(folder: string): readonly JsonObject[] {
  try {
    return readKeyFolder(folder).keys.map(({ key }) => key.publicJwk)
  } catch (error) {
    throw new UsageError(`the folder ${folder} ${(error as Error).message}; name a gateway that runs with --admin`)
  }
}

const LONGEST_MS = 5_000
const MOST_BYTES = 1024 * 1024

async function publishedAt(address: Address | undefined): Promise<readonly JsonObject[]> {
  if (address === undefined) throw new UsageError('name the admin listener of a gateway with --admin')
  const place = addressText(address)
  try {
    const question = { address, path: PUBLISHED_KEYS_PATH, mostBytes: MOST_BYTES }
    const { status, text } = await step(LONGEST_MS, signal => askAdmin({ ...question, signal }))
    const { keys } = Object(jsonOf(text)) as { readonly keys?: readonly JsonObject[] }
    if (Array.isArray(keys)) return keys
    throw new UsageError(
      `${place} answers ${status} at ${PUBLISHED_KEYS_PATH}: no gateway with \`identity.token\` is there`,
    )
  } catch (error) {
    if (error instanceof AdminCallError || error instanceof StepTooLong)
      throw new UsageError(`${place}: ${error.message}`)
    throw error
  }
}
