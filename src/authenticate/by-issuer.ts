/**
 * Authenticates a bearer token: takes it apart once and hands it to the provider that it belongs to.
 *
 * RFC 7519 §4.1.1 (`iss`), RFC 8725 §3.8 and §3.9. A JWT belongs to the provider that its `iss` names. That does not
 * trust the claim: it only says whom to ask, and the provider then judges the token. Issuers are compared byte for
 * byte, and no URL is normalised. An issuer that a provider names goes before one that a template of another stands
 * for.
 *
 * A JWT whose `sub` is of the SPIFFE trust domain of a provider belongs to that provider, if it has no `iss`, or names
 * nobody who is configured: such tokens need no `iss`. Whoever is configured keeps the tokens that name it, on every
 * route, and a provider of a trust domain never sees them.
 *
 * An opaque token belongs to the provider that recognises it (`opaque-takers.ts`).
 *
 * An encrypted token (JWE) says nothing about its issuer until it is opened, with the keys of any provider of the route
 * that has some. What is inside is then judged as if it had come plain.
 *
 * Without a cache every token is verified on every use. Commands that explain a refusal want that.
 *
 * The syntax of the credential (RFC 6750 §2.1) is checked only when the token is no JWT, since every JWT keeps to it,
 * and so does every token that is remembered.
 */
import { Denial } from '../errors.ts'
import { type CompactForm, compactForm } from '../lib/compact-form.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import { andThen, type MaybePromise } from '../lib/maybe-promise.ts'
import { isToken68 } from '../lib/token68.ts'
import type { Claims, Credential, Principal, RequestFacts, RequestNotes, Verification } from '../types.ts'
import type { DecryptedToken, DecrypterOf, ProviderDecryption } from './decryption.ts'
import { subjectDomain } from './jwt/jwt-svid.ts'
import { type Jwt, parseJwt } from './jwt/parse-jwt.ts'
import { opaqueTakers } from './opaque-takers.ts'
import type { TokenCache, VerdictOwner } from './token-cache.ts'
import type { PresentedToken, TakenTenants, TokenVerifier } from './verifier.ts'

/**
 * An authenticator that sees no request: it gives the same answer to every request that brings the token.
 *
 * @throws {Denial} the credential is refused, or we cannot judge it (503)
 */
type TokenAuthenticator = (
  credential: Pick<Credential, 'token'>,
  facts?: RequestFacts,
  notes?: RequestNotes,
) => MaybePromise<Principal>

interface IssuerAuthenticatorOptions {
  /** Undefined: every token is verified on every use. */
  readonly cache?: TokenCache | undefined
  /** Undefined: encrypted tokens are refused. */
  readonly decrypterOf?: DecrypterOf | undefined
  /** Undefined: nobody asks how long a verification takes. */
  readonly monotonicMs?: (() => number) | undefined
  /** Whether the issuer of a token is configured at all; left out, only those count that the route accepts. */
  readonly isIssuerConfigured?: ((claims: Claims) => boolean) | undefined
}

/**
 * @param verifiers those that the route accepts, at most one per issuer and per trust domain
 * @throws {RangeError} two of them have the same issuer, or the same trust domain
 */
export function issuerAuthenticator(
  verifiers: readonly TokenVerifier[],
  { cache, decrypterOf, monotonicMs, isIssuerConfigured }: IssuerAuthenticatorOptions = {},
): TokenAuthenticator {
  const accepted: ReadonlySet<TokenVerifier> = new Set(verifiers)
  const byIssuer = verifiersByName(accepted, ({ takesJwts }) => [...(takesJwts?.issuers ?? [])])
  const byTrustDomain = verifiersByName(accepted, ({ takesJwts }) => [takesJwts?.trustDomain].filter(isNamed))
  const templates = [...accepted].flatMap(verifier => {
    const template = verifier.takesJwts?.template
    return template === undefined ? [] : [{ template, verifier }]
  })
  const ignoredHeaders = [...accepted].flatMap(({ takesJwts }) => takesJwts?.ignoredHeaders ?? [])
  const takingOpaque = [...accepted].filter(({ takesOpaque }) => takesOpaque !== undefined)

  const judged = (presented: PresentedToken, verifier: TokenVerifier, noted?: Verification): MaybePromise<Principal> =>
    cache === undefined
      ? andThen(verifier.verify(presented), ({ principal }) => principal)
      : cache.verify(presented, verifier, noted)

  /** Where nothing says which provider to ask, the issuer is unknown rather than a claim invalid. */
  const ownerOf = (claims: Claims): TokenVerifier | undefined => {
    const { iss } = claims
    if (typeof iss === 'string') {
      const owner = byIssuer.get(iss) ?? tenantVerifier(claims, templates)
      if (owner !== undefined) return owner
    }
    if (byTrustDomain.size === 0) return undefined
    // Attack: a workload is given the `iss` of somebody else. Its token is then judged by their keys, or by nobody's.
    if (iss !== undefined && (typeof iss !== 'string' || isIssuerConfigured?.(claims) === true)) return undefined
    return byTrustDomain.get(subjectDomain(claims) ?? '')
  }

  const unknownIssuer = (claims: Claims): Denial =>
    new Denial('issuer_unknown', { evidence: issuerEvidence(claims, templates, [...byTrustDomain.keys()]) })

  const decryptions = decryptionsOf(accepted)
  const decrypt = decryptions.length === 0 ? undefined : decrypterOf?.(decryptions)

  const verifyEncrypted = async (
    token: string,
    opening: Promise<DecryptedToken>,
    noted?: Verification,
  ): Promise<Principal> => {
    const { jws, providers } = await opening
    // Of several requests that waited for the same token, the first has verified what was inside.
    const known = cache?.recall(token, owns)
    if (known !== undefined) return known
    const jwt = parseJwt(jws, ignoredHeaders)
    const verifier = ownerOf(jwt.claims)
    // Attack: the key of one provider opens what is signed by another, which does not take encrypted tokens, or takes
    // others. Whoever signed has to be one for whom it was encrypted.
    if (verifier === undefined || !providers.has(verifier.provider)) throw unknownIssuer(jwt.claims)
    return await judged({ token, jwt, wasEncrypted: true }, verifier, noted)
  }

  /** Three parts in base64url are token68, so the slower look at every character is left for what is refused anyway. */
  const parsed = (token: string): Jwt => {
    try {
      return parseJwt(token, ignoredHeaders)
    } catch (refusal) {
      if (!isToken68(token)) throw noToken68()
      const form = compactForm(token)
      if (form === 'jws') throw refusal
      throw new Denial('token_malformed', { evidence: { reason: whyNotTaken(form, takingOpaque) } })
    }
  }

  const verify = (token: string, noted?: Verification): MaybePromise<Principal> => {
    if (decrypt !== undefined && compactForm(token) === 'jwe') {
      if (!isToken68(token)) throw noToken68()
      return verifyEncrypted(token, decrypt(token), noted)
    }
    const [taker] = takingOpaque.length === 0 ? [] : opaqueTakers(token, takingOpaque)
    if (taker !== undefined) return judged({ token, jwt: undefined, wasEncrypted: false }, taker, noted)
    const jwt = parsed(token)
    const { claims } = jwt
    const verifier = ownerOf(claims)
    if (verifier === undefined) throw unknownIssuer(claims)
    return judged({ token, jwt, wasEncrypted: false }, verifier, noted)
  }

  // Attack: a token of a tenant is presented on a route where it belongs to the template, and then on one that also
  // accepts a stricter provider which names its issuer. That provider is the one to ask there, whatever is remembered.
  const owns: VerdictOwner =
    templates.length === 0
      ? verifier => accepted.has(verifier)
      : (verifier, { claims }) =>
          accepted.has(verifier) && (verifier.takesJwts?.template === undefined || ownerOf(claims) === verifier)

  if (monotonicMs === undefined) return ({ token }) => cache?.recall(token, owns) ?? verify(token)
  return ({ token }, _facts, notes) =>
    cache?.recall(token, owns) ?? measured(notes, monotonicMs, noted => verify(token, noted))
}

/** Notes how long a verification takes, whether it succeeds or not. */
function measured(
  notes: RequestNotes | undefined,
  monotonicMs: () => number,
  verify: (noted: Verification) => MaybePromise<Principal>,
): MaybePromise<Principal> {
  const noted: Verification = { lookUp: 'miss', startedMs: monotonicMs(), endedMs: undefined }
  if (notes !== undefined) notes.verification = noted
  const ended = (): void => {
    noted.endedMs = monotonicMs()
  }
  try {
    const principal = verify(noted)
    if (principal instanceof Promise) return principal.finally(ended)
    ended()
    return principal
  } catch (error) {
    ended()
    throw error
  }
}

/** @param namesOf the issuers, or the trust domain, whose tokens a verifier takes */
function verifiersByName(
  accepted: ReadonlySet<TokenVerifier>,
  namesOf: (verifier: TokenVerifier) => readonly string[],
): ReadonlyMap<string, TokenVerifier> {
  const byName = new Map<string, TokenVerifier>()
  for (const verifier of accepted) {
    for (const name of namesOf(verifier)) {
      if (byName.has(name)) throw new RangeError('two providers have the same issuer or trust domain')
      byName.set(name, verifier)
    }
  }
  return byName
}

function isNamed(name: string | undefined): name is string {
  return name !== undefined
}

interface TemplateVerifier {
  readonly template: TakenTenants
  readonly verifier: TokenVerifier
}

function tenantVerifier(claims: Claims, templates: readonly TemplateVerifier[]): TokenVerifier | undefined {
  return templates.find(({ template }) => template.judge(claims) === undefined)?.verifier
}

function decryptionsOf(verifiers: ReadonlySet<TokenVerifier>): readonly ProviderDecryption[] {
  return [...verifiers].flatMap(({ provider, decryption }) =>
    decryption === undefined ? [] : [{ provider, decryption }],
  )
}

/** @param form of a token that is no JWS */
function whyNotTaken(form: CompactForm, opaqueTakers: readonly TokenVerifier[]): string {
  if (form === 'jwe') return 'encrypted, and no provider of the route has `decryption`'
  return opaqueTakers.length === 0
    ? 'not a JWT'
    : 'opaque, and no provider of the route takes it: see `tokens.prefixes` and `tokens.minBytes`'
}

function noToken68(): Denial {
  return new Denial('request_malformed', { evidence: { reason: 'the token is not token68' } })
}

/** An issuer that looks like that of a tenant is probably meant to be one, so the log says what is wrong with it. */
function issuerEvidence(
  claims: Claims,
  templates: readonly TemplateVerifier[],
  trustDomains: readonly string[],
): Readonly<Record<string, unknown>> {
  const { iss, sub } = claims
  if (iss === undefined && trustDomains.length > 0)
    return {
      ...(typeof sub === 'string' ? { sub: evidenceText(sub) } : {}),
      reason: `there is no iss, and sub does not begin with ${trustDomains.map(each => `spiffe://${each}/`).join(' or ')}`,
    }
  if (typeof iss !== 'string') return { reason: 'iss is no string' }
  const reason = templates.find(({ template }) => template.isAlike(iss))?.template.judge(claims)
  return { iss: evidenceText(iss), ...(reason === undefined ? {} : { reason }) }
}
