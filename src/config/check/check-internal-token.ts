/** Judges what `identity.token` means together with the rest of the configuration. */
import { DEFAULT_IDENTITY_HEADERS } from '../../identity/header-lines.ts'
import { foldedFieldName } from '../../lib/field-name.ts'
import { laxSegment } from '../../route/readings.ts'
import type { Draft } from '../schema/draft.ts'
import { metadataPath } from '../schema/metadata-path.ts'
import { providerTraits } from '../schema/provider-traits.ts'
import type { InternalTokenConfig } from '../schema/schema.ts'
import { issuersOf } from '../schema/tenants.ts'
import { shapeOf } from './check-routes.ts'
import type { Finding, Path } from './findings.ts'

const AT = ['identity', 'token'] as const

export function internalTokenFindings(draft: Draft): readonly Finding[] {
  const { token } = draft.identity ?? {}
  if (token === undefined) return []
  return [
    ...headerFindings(token, draft),
    ...authorizationFindings(token, draft),
    ...issuerFindings(token, draft),
    ...workerFindings(token, draft),
    ...placeFindings(token, draft),
  ]
}

function headerFindings({ header }: InternalTokenConfig, { identity }: Draft): readonly Finding[] {
  const folded = foldedFieldName(header)
  const written = identity?.headers && Object.keys(identity.headers)
  const names = written ?? DEFAULT_IDENTITY_HEADERS.map(({ name }) => name)
  const other = names.find(name => foldedFieldName(name) === folded)
  if (other === undefined) return []
  const message = `is read as the same header as \`${other}\` by many services; give it a name of its own`
  return [{ path: [...AT, 'header'], message, ...(written && { other: ['identity', 'headers', other] }) }]
}

/** Two tokens in one header: whoever reads it could take either. */
function authorizationFindings({ header }: InternalTokenConfig, { identity, routes }: Draft): readonly Finding[] {
  if (foldedFieldName(header) !== 'authorization') return []
  const remedy =
    'while `identity.token.header` is `Authorization`, which carries the token of the gateway; leave it out, or choose another header there'
  return [
    ...(identity === undefined || identity.forwardToken === false
      ? []
      : [{ path: ['identity', 'forwardToken'], message: `has no effect ${remedy}`, at: 'key' } as const]),
    ...[...routes].flatMap(([index, { passAuthorization }]): readonly Finding[] =>
      passAuthorization
        ? [{ path: ['routes', index, 'passAuthorization'], message: `cannot be set ${remedy}`, at: 'key' }]
        : [],
    ),
  ]
}

/** A service that trusts both could take the caller's token for one of ours. */
function issuerFindings({ issuer }: InternalTokenConfig, { providers }: Draft): readonly Finding[] {
  const [id] = [...providers].find(([, provider]) => issuersOf(providerTraits(provider).issuers).includes(issuer)) ?? []
  if (id === undefined) return []
  const message = `is the issuer of provider \`${id}\`; give the gateway a name of its own, so that services can tell its tokens apart`
  return [{ path: [...AT, 'issuer'], message, about: 'providers' }]
}

function workerFindings({ keysDir }: InternalTokenConfig, { workers = 1 }: Draft): readonly Finding[] {
  if (keysDir !== undefined || workers === 1) return []
  const message =
    'is needed with `workers`, because each process would make keys of its own; put a private key into a folder, and name it here'
  return [{ path: [...AT, 'keysDir'], message }]
}

/** The endpoint takes every method, if only to refuse it, so that nothing else can have its path. */
function placeFindings(
  { jwksPath }: InternalTokenConfig,
  { routes, revocation, resources }: Draft,
): readonly Finding[] {
  if (jwksPath === undefined) return []
  const taken: ReadonlyArray<readonly [at: Path, path: string]> = [
    ...[...routes].map(([index, { path }]) => [['routes', index, 'path'], path] as const),
    ...(['backchannelLogout', 'signals'] as const).flatMap(kind =>
      (revocation?.[kind] ?? []).map(({ path }, index) => [['revocation', kind, index, 'path'], path] as const),
    ),
    ...Object.entries(resources ?? {}).map(
      ([id, resource]) => [['resources', id, 'url'], metadataPath(resource)] as const,
    ),
  ]
  const own = shapeOf(jwksPath, laxSegment)
  const [other] = taken.find(([, path]) => shapeOf(path, laxSegment) === own) ?? []
  if (other === undefined) return []
  const message = 'is a path that has another use already; choose one such as `/.well-known/internal-jwks`'
  return [{ path: [...AT, 'jwksPath'], message, other }]
}
