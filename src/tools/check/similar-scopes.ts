/**
 * Finds scopes that differ by a slip of the keyboard: `order:read` beside `orders:read`.
 *
 * RFC 6749 §3.3 says that scopes are opaque, but by convention they have parts. Two scopes look like a slip when they
 * differ in one part; parts that are short, or differ in digits only (`v1`, `v2`), are taken to differ on purpose.
 */
import type { Path } from '../../config/check/findings.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { nearest } from '../../config/schema/suggest.ts'

/** A shorter word is similar to too many others. */
const SHORTEST_PART = 4

interface ScopeUse {
  readonly scope: string
  readonly path: Path
}

interface MisspelledScope {
  readonly code: 'scope-misspelled'
  readonly path: Path
  readonly message: string
}

/** What a resource tells clients of is compared with what is asked for, and is no proof that it is spelled well. */
export function misspelledScopes({ routes, resources }: Config): readonly MisspelledScope[] {
  const asked = routes.flatMap(askedBy)
  const told = Object.entries(resources).flatMap(([id, { scopes = [] }]) =>
    scopes.map((scope, at) => ({ scope, path: ['resources', id, 'scopes', at] })),
  )
  const counts = new Map<string, number>()
  for (const { scope } of asked) counts.set(scope, (counts.get(scope) ?? 0) + 1)
  return [...asked, ...told].flatMap(({ scope, path }) => {
    const near = [...counts.keys()].find(
      other => other !== scope && isSlip(scope, other) && (counts.get(other) ?? 0) > (counts.get(scope) ?? 0),
    )
    if (near === undefined) return []
    return [
      { code: 'scope-misspelled' as const, path, message: `looks like \`${near}\`, which is asked for elsewhere` },
    ]
  })
}

function askedBy({ require, mcp }: RouteConfig, index: number): readonly ScopeUse[] {
  return [
    ...(['scopes', 'anyScope'] as const).flatMap(kind =>
      (require?.[kind] ?? []).map((scope, at) => ({ scope, path: ['routes', index, 'require', kind, at] })),
    ),
    ...Object.entries(mcp?.tools ?? {}).flatMap(([tool, { scopes = [] }]) =>
      scopes.map((scope, at) => ({ scope, path: ['routes', index, 'mcp', 'tools', tool, 'scopes', at] })),
    ),
  ]
}

function isSlip(one: string, other: string): boolean {
  if (withoutCaseAndSeparators(one) === withoutCaseAndSeparators(other)) return true
  const parts = one.split(/[:./_-]/)
  const otherParts = other.split(/[:./_-]/)
  if (parts.length !== otherParts.length) return false
  const differing = parts.flatMap((part, at) =>
    part === otherParts[at] ? [] : [[part, otherParts[at] ?? ''] as const],
  )
  const [first] = differing
  if (first === undefined || differing.length > 1) return false
  const [part, otherPart] = first
  if (Math.min(part.length, otherPart.length) < SHORTEST_PART) return false
  if (part.replaceAll(/\d/g, '') === otherPart.replaceAll(/\d/g, '')) return false
  return nearest(part, [otherPart]) !== undefined
}

function withoutCaseAndSeparators(scope: string): string {
  return scope.toLowerCase().replaceAll(/[:./_-]/g, '')
}
