/**
 * The command `sallyport token mint` makes a token for tests, signed with a development key, and where it is asked for
 * that, encrypted for the gateway, or with a proof that its caller holds the key that the token is bound to.
 */
import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { loadConfigFile } from '../config/read/load.ts'
import { type ByProviderType, byProviderType } from '../config/schema/by-provider-type.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import { durationMs } from '../config/schema/units.ts'
import { systemClock } from '../lib/clock.ts'
import { audienceClaims, audienceOfAll, issuerClaims, ownClaims } from '../tools/engine/made-up-claims.ts'
import { boundTo, saysItsKey } from '../tools/engine/prover.ts'
import {
  createKey,
  createProofKey,
  isThere,
  KeyFileError,
  type KeyUse,
  mintedToken,
  proofKeyOf,
} from '../tools/token/development-key.ts'
import { encryptedToken } from '../tools/token/encrypting.ts'
import type { Claims, JsonValue } from '../types.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { claimsObject } from './inputs.ts'
import { proofLines, provedRequest } from './proof-lines.ts'
import { checkedProvider, tokenProviders } from './provider-option.ts'

export async function mint(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parsedArguments('token mint', args, {
    options: {
      config: { type: 'string', short: 'c' },
      provider: { type: 'string' },
      key: { type: 'string' },
      'create-key': { type: 'boolean' },
      bundle: { type: 'boolean' },
      claim: { type: 'string', multiple: true },
      claims: { type: 'string' },
      expires: { type: 'string' },
      typ: { type: 'string' },
      encrypt: { type: 'string' },
      'dpop-key': { type: 'string' },
      proof: { type: 'string', multiple: true },
      nonce: { type: 'string' },
    },
  })
  const { key, 'dpop-key': dpopKey, proof: [request, ...more] = [], nonce } = values
  if (key === undefined) throw new UsageError('token mint needs --key FILE; --create-key makes the file')
  if (request !== undefined && dpopKey === undefined)
    throw new UsageError(
      '--proof needs --dpop-key FILE: the token is bound to that key, and the proof is signed with it',
    )
  if (more.length > 0)
    throw new UsageError('a proof is for one request: give --proof once, and make the others with token proof')
  if (nonce !== undefined && request === undefined) throw new UsageError('--nonce belongs into a proof: add --proof')
  const proved = request === undefined ? undefined : provedRequest(request)
  try {
    if (values['create-key'] === true)
      await createKeys({ key, dpopKey, use: values.bundle === true ? 'jwt-svid' : 'sig' }, io)
    else if (values.bundle === true) throw new UsageError('--bundle says what --create-key makes: add that')
    const given: Claims = {
      ...(values.claims === undefined ? {} : claimsObject(values.claims)),
      ...Object.fromEntries((values.claim ?? []).map(claimOption)),
    }
    if (dpopKey !== undefined && saysItsKey(given))
      throw new UsageError('--dpop-key says what cnf.jkt is; leave it out of the claims')
    const signer = dpopKey === undefined ? undefined : await proofKeyOf(dpopKey, 'mint')
    const filledIn = defaults(values, given, io)
    const claims = { ...filledIn.claims, ...given, ...(signer && boundTo(signer.jkt, given)) }
    const typ = values.typ ?? filledIn.typ
    const signed = await mintedToken(key, claims, typ)
    const token = values.encrypt === undefined ? signed : await encryptedToken(values.encrypt, signed, typ)
    io.stdout(
      signer === undefined || proved === undefined ? `${token}\n` : await proofLines(signer, proved, token, nonce),
    )
    return 0
  } catch (error) {
    throw error instanceof KeyFileError ? new UsageError(error.message) : error
  }
}

/** Makes those of the files that are not there. The others are used as they are. */
async function createKeys(
  { key, dpopKey, use }: { readonly key: string; readonly dpopKey: string | undefined; readonly use: KeyUse },
  io: CommandIo,
): Promise<void> {
  if (!isThere(key)) {
    const { keyFile, jwksFile } = await createKey(key, use)
    io.stderr(
      `made ${resolve(keyFile)} (private: keep it out of git)\nand ${resolve(jwksFile)} (public: for \`${PLACES[use]}\`)\n`,
    )
  }
  if (dpopKey === undefined || isThere(dpopKey)) return
  await createProofKey(dpopKey)
  io.stderr(`made ${resolve(dpopKey)} (private: keep it out of git), the key of the client\n`)
}

/** Where a configuration names the public half. */
const PLACES: Readonly<Record<KeyUse, string>> = { sig: 'keys.jwksFile', 'jwt-svid': 'bundle.file' }

interface MintValues {
  readonly config?: string | undefined
  readonly provider?: string | undefined
  readonly expires?: string | undefined
}

/** What a token has where it is not said. */
interface MintDefaults {
  readonly claims: Claims
  readonly typ: string
}

/** Fills in claims. The configuration is not read when `iss` and `aud`, which it could fill in, are both given. */
function defaults(
  { config: file, provider: id, expires = '1h' }: MintValues,
  given: Claims,
  io: CommandIo,
): MintDefaults {
  const lifetimeMs = durationMs(expires)
  if (lifetimeMs === undefined) throw new UsageError(`"${expires}" is no duration: write --expires 30s, 5m or 24h`)
  const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
  const times = { iat: nowSeconds, exp: nowSeconds + Math.floor(lifetimeMs / 1000), jti: randomUUID() }
  if (given.iss !== undefined && given.aud !== undefined) return { claims: times, typ: 'at+jwt' }
  const config = loadConfigFile(configFile(file, io.env), io.env)
  const ids = tokenProviders(config)
  const [only, ...others] = ids
  const named = checkedProvider(config, id) ?? (others.length === 0 ? only : undefined)
  const provider = named === undefined ? undefined : config.providers[named]
  if (provider === undefined)
    throw new UsageError(
      `name the provider with --provider (${ids.join(', ') || 'there is none'}), or give iss and aud`,
    )
  const { takesJwts, trustDomain } = providerTraits(provider)
  if (takesJwts === undefined && trustDomain === undefined)
    io.stderr(`warning: the provider ${named} takes no JWTs (\`tokens.jwts: false\`), and so never this token\n`)
  return {
    claims: { ...byProviderType(OWN_CLAIMS, provider, given, audienceOfAll(config, named ?? '')), ...times },
    typ: trustDomain === undefined ? 'at+jwt' : 'JWT',
  }
}

/** The claims by which a provider of each type takes a token for one of its own. */
const OWN_CLAIMS: ByProviderType<Claims, [given: Claims, audience: JsonValue]> = {
  jwt: (provider, given, audience) => ({
    ...issuerClaims(provider, given),
    ...audienceClaims(provider, audience),
  }),
  introspection: ({ issuer }, _given, audience) => ({ iss: issuer, aud: audience }),
  session: ({ issuer }, _given, audience) => ({ iss: issuer, aud: audience }),
  spiffe: (provider, given, audience) => ({ ...ownClaims(provider, given, 'minted'), aud: audience }),
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
