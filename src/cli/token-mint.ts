/** The command `sallyport token mint` makes a token for tests, signed with a development key. */
import { randomUUID } from 'node:crypto'
import { loadConfigFile } from '../config/read/load.ts'
import { type ByProviderType, byProviderType } from '../config/schema/by-provider-type.ts'
import { durationMs } from '../config/schema/units.ts'
import { systemClock } from '../lib/clock.ts'
import { audienceClaims, issuerClaims } from '../tools/engine/made-up-claims.ts'
import { createKey, KeyFileError, mintedToken } from '../tools/token/development-key.ts'
import type { Claims, JsonValue } from '../types.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { claimsObject } from './inputs.ts'
import { checkedProvider } from './provider-option.ts'

export async function mint(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parsedArguments('token', args, {
    options: {
      config: { type: 'string', short: 'c' },
      provider: { type: 'string' },
      key: { type: 'string' },
      'create-key': { type: 'boolean' },
      claim: { type: 'string', multiple: true },
      claims: { type: 'string' },
      expires: { type: 'string' },
      typ: { type: 'string' },
    },
  })
  if (values.key === undefined) throw new UsageError('token mint needs --key FILE; --create-key makes the file')
  try {
    if (values['create-key'] === true) {
      const { keyFile, jwksFile } = await createKey(values.key)
      io.stderr(`made ${keyFile} (private: keep it out of git) and ${jwksFile} (public: for \`keys.jwksFile\`)\n`)
    }
    const given: Claims = {
      ...(values.claims === undefined ? {} : claimsObject(values.claims)),
      ...Object.fromEntries((values.claim ?? []).map(claimOption)),
    }
    const claims = { ...defaults(values, given, io), ...given }
    io.stdout(`${await mintedToken(values.key, claims, values.typ ?? 'at+jwt')}\n`)
    return 0
  } catch (error) {
    throw error instanceof KeyFileError ? new UsageError(error.message) : error
  }
}

interface MintValues {
  readonly config?: string | undefined
  readonly provider?: string | undefined
  readonly expires?: string | undefined
}

/** Fills in claims. The configuration is not read when `iss` and `aud`, which it could fill in, are both given. */
function defaults({ config: file, provider: id, expires = '1h' }: MintValues, given: Claims, io: CommandIo): Claims {
  const lifetimeMs = durationMs(expires)
  if (lifetimeMs === undefined) throw new UsageError(`"${expires}" is no duration: write --expires 30s, 5m or 24h`)
  const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
  const times = { iat: nowSeconds, exp: nowSeconds + Math.floor(lifetimeMs / 1000), jti: randomUUID() }
  if (given.iss !== undefined && given.aud !== undefined) return times
  const config = loadConfigFile(configFile(file, io.env), io.env)
  const ids = Object.keys(config.providers)
  const [only, ...others] = ids
  const named = checkedProvider(config, id) ?? (others.length === 0 ? only : undefined)
  const provider = named === undefined ? undefined : config.providers[named]
  if (provider === undefined)
    throw new UsageError(
      `name the provider with --provider (${ids.join(', ') || 'there is none'}), or give iss and aud`,
    )
  return { ...byProviderType(OWN_CLAIMS, provider, given), ...times }
}

/** The claims by which a provider of each type takes a token for one of its own. */
const OWN_CLAIMS: ByProviderType<Claims, [given: Claims]> = {
  jwt: (provider, given) => ({
    ...issuerClaims(provider, given),
    ...audienceClaims(provider, provider.audiences[0] ?? ''),
  }),
}

/** Reads `NAME=VALUE`. A value that is JSON is read as JSON, any other is text. */
function claimOption(option: string): readonly [string, JsonValue] {
  const at = option.indexOf('=')
  if (at < 1) throw new UsageError(`"${option}" is no claim: write --claim NAME=VALUE`)
  const text = option.slice(at + 1)
  try {
    return [option.slice(0, at), JSON.parse(text) as JsonValue]
  } catch {
    return [option.slice(0, at), text]
  }
}
